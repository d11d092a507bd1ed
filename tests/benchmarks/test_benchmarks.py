"""Every benchmark at its small size: all sides run, and their results agree. Nothing is timed."""

from __future__ import annotations

import json

import pytest

from benchmarks import cores, results, scaling, search_kernel, suite
from benchmarks.harness import Result, Usage
from benchmarks.step import run_side

WHOLE_REFRESHES = ("refresh", "scaling")
"""Their sides are what the end-to-end tests run; several of them take minutes at any size."""


@pytest.mark.parametrize("name", [name for name in suite.NAMES if name not in WHOLE_REFRESHES])
def test_sides_agree(name, spark, tmp_path):
    # The session of the tests is the one that the sides find running.
    benchmark = suite.load(name)
    size, data = benchmark.sizes["small"], tmp_path / "data"
    data.mkdir()
    benchmark.prepare(size, data)
    for side in benchmark.sides:
        used = run_side(benchmark, side, size, data, tmp_path / side)
        assert used.seconds > 0
        assert used.peak_gib > 0
    assert benchmark.check(size, data, {side: tmp_path / side for side in benchmark.sides})


def test_the_search_kernel_is_timed():
    assert search_kernel.million_pairs_a_second(width=4, length=3, users=20, items=200) > 0


def test_two_processes_do_some_work_beside_each_other():
    assert 0.3 < cores.work_of_two() < 3.0


def test_time_that_grows_as_the_square_root_of_the_events_has_the_exponent_one_half():
    usages = {f"{factor}x": Usage(3.0 * factor**0.5, 1.0, 1.0) for factor in (1, 4, 16)}
    assert scaling.exponent(usages) == pytest.approx(0.5)


def test_a_benchmark_that_runs_again_replaces_its_own_row_alone(tmp_path):
    slow, fast = ({"ours": Usage(1.0, 2.0, 0.5), "other": Usage(s, 8.0, 0.5)} for s in (2.0, 10.0))
    names = ("loader", "training")
    for name, usages in zip((*names, "loader"), (slow, slow, fast), strict=True):
        benchmark = suite.load(name)
        result = Result("small", "a task", "nothing", [benchmark.compare(usages)], [usages])
        results.record(benchmark, result, "", tmp_path)
    known = json.loads((tmp_path / "results.json").read_text())
    assert [known[name]["figures"] for name in names] == [[10.0], [2.0]]
    page = (tmp_path / "RESULTS.md").read_text()
    assert "| [loader](#loader) | **10.00 x** (below) | 10.00 to 10.00 | 4.00 x | 30 x | 100 x |" in page
    sides = "| ours: 1.0, 2.0, 0.5 | other: 2.0, 8.0, 0.5 |"
    assert f"| [training](#training) | **2.00 x** | 2.00 to 2.00 | 4.00 x | 1.5 x | 2.5 x {sides}" in page

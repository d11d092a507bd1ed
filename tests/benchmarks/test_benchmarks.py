"""Every benchmark at its small size: all sides run, and their results agree. Nothing is timed."""

from __future__ import annotations

import pytest

from benchmarks import suite
from benchmarks.step import run_side


@pytest.mark.parametrize("name", suite.NAMES)
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

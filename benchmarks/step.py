"""One step of a benchmark in a process of its own: prepare, a side, or check. Started by benchmarks.harness."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from benchmarks import suite
from benchmarks.block_costs import measured
from benchmarks.harness import Benchmark, Usage


def main(name: str, step: str, size_name: str, folder: Path, report: Path) -> None:
    """Run the step and write what it used as JSON."""
    benchmark = suite.load(name)
    size, data = benchmark.sizes[size_name], folder / "data"
    small, warm = benchmark.sizes["small"], folder / "warm"
    if step == "prepare":
        for where, one in ((data, size), *([(warm, small)] if benchmark.warm_up else [])):
            where.mkdir()
            benchmark.prepare(one, where)
        told = {}
    elif step == "check":
        told = {"found": benchmark.check(size, data, {side: folder / side for side in benchmark.sides})}
    else:
        if benchmark.warm_up:
            run_side(benchmark, step, small, warm, folder / f"warm_{step}")
        told = vars(run_side(benchmark, step, size, data, folder / step))
    report.write_text(json.dumps(told))


def run_side(benchmark: Benchmark, side: str, size: object, data: Path, out: Path) -> Usage:
    """One run of one side; results of an earlier one are replaced."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    started = benchmark.sides[side](size, data, out)
    work, after = started if isinstance(started, tuple) else (started, lambda: None)
    with measured() as usage:
        own = work()
    after()
    return Usage(own or usage.seconds, usage.cpu_seconds, usage.peak_gib)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(Path, sys.argv[4:]))

"""Run every benchmark: ``python -m benchmarks`` prints one line each, with the ratio to its baseline."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType

import numpy as np

from benchmarks import top_n

BENCHMARKS: tuple[ModuleType, ...] = (top_n,)
REPEATS = 3


def seconds(work: Callable[[], np.ndarray]) -> float:
    """Shortest wall time of a few runs; the shortest is the one that others disturbed least."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Check that both sides agree, then time them."""
    for benchmark in BENCHMARKS:
        kernel, baseline = benchmark.cases()
        agreeing = float((kernel() == baseline()).mean())
        if agreeing < 0.999:  # float32 and float64 may swap near ties
            raise SystemExit(f"{benchmark.__name__}: only {agreeing:.1%} of the results agree with the baseline")
        mine, other = seconds(kernel), seconds(baseline)
        ratio = f"{other / mine:.1f} times as fast"
        print(f"{benchmark.__name__}: {mine:.2f} s; {benchmark.BASELINE}: {other:.2f} s; {ratio}")


if __name__ == "__main__":
    main()

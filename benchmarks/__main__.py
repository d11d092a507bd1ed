"""Run benchmarks and write benchmarks/RESULTS.md: ``python -m benchmarks``, or ``python -m benchmarks topn loader``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import harness, results, suite


def main() -> None:
    """Run what is asked for, and replace the rows of what was run."""
    arguments = _arguments()
    for name in arguments.names or suite.NAMES:
        benchmark = suite.load(name)
        repeats = arguments.repeats or benchmark.repeats
        result = harness.run(benchmark, arguments.size, repeats, arguments.work, lambda line: print(line, flush=True))
        results.record(benchmark, result, arguments.remark)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=suite.NAMES, help=", ".join(suite.NAMES))
    parser.add_argument("--size", choices=("small", "medium", "full"), default="medium")
    parser.add_argument("--repeats", type=int, help="rounds; default: the benchmark's own number")
    parser.add_argument("--work", type=Path, help="folder for the data while a benchmark runs")
    parser.add_argument("--remark", default="", help="written beside the figures, such as that the machine was shared")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""One process of the deep model; coldstart.launch starts one per rank. Needs TensorFlow and Petastorm, not Spark."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Train as one rank of the spec's training, or score."""
    arguments = argparse.ArgumentParser(prog="train_worker", description=__doc__)
    arguments.add_argument("--spec", required=True, help="JSON file that coldstart.launch wrote")
    arguments.add_argument("--score", action="store_true", help="the spec is one of a scoring: vectors, no training")
    arguments.add_argument("--launcher-pid", type=int, help="end when this process is gone")
    given = arguments.parse_args(argv)
    # TensorFlow takes seconds to load; --help and a wrong argument need not wait for it.
    from recsys_spark.coldstart.spec import ScoringSpec, TrainingSpec
    from recsys_spark.coldstart.train import end_with, run_rank
    from recsys_spark.errors import RecsysError

    if given.launcher_pid:
        end_with(given.launcher_pid)
    try:
        spec = (ScoringSpec if given.score else TrainingSpec).load(given.spec)
        print(f"weights {run_rank(spec)}")
    except RecsysError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Hide a share of users, items and time from the backtest, and keep what was hidden as its truth."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.command import run_job
from jobs.context import Job, log
from recsys_spark.evaluate.splits import plan_split, split

OUTPUTS = ("events", "truth")


def run(job: Job) -> None:
    """Read the full fold's events, write those of the backtest fold and the truth."""
    full, backtest = job.with_fold("full"), job.with_fold("backtest")
    settings = job.settings.backtest
    events, users = full.read("events"), full.read("users")
    job.describe("split: decide how to cut")
    plan = plan_split(events, users, settings)
    log.info("  hold-out by %s%s", plan.method, f" from {plan.cut:%Y-%m-%d}" if plan.method == "time" else "")
    train, truth = split(events, users, plan, settings, job.settings.rank.discovery_only)
    for name, frame in zip(OUTPUTS, (train, truth), strict=True):
        job.describe(f"split: {name}")
        backtest.write(name, frame)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``recsys split``."""
    return run_job("split", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

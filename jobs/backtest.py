"""Judge the lists on what the split hid, beside the baselines; write the metrics and one HTML page.

Run by itself it first makes the tables of the backtest where they are missing.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence

from jobs.backtest_judge import judge
from jobs.backtest_page import show
from jobs.backtest_trials import propose
from jobs.command import run_job
from jobs.context import Job
from jobs.pipeline import BACKTEST, Step, run_steps

OUTPUTS = ("metrics",)


def run(job: Job) -> None:
    """Metrics of every contender, and the page."""
    judge(job)
    show(job.with_fold("backtest"))


def _with_missing_steps(job: Job) -> None:
    if not job.lake.with_fold("backtest").exists("route_weights"):
        job = run_steps(job, (Step("ingest", "full"), *BACKTEST))
    if job.arguments.trial_minutes:
        propose(job, job.arguments.trial_minutes)
    fold = job.with_fold("backtest")
    if fold.finished(OUTPUTS):
        show(fold)
    else:
        run(job)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--report", metavar="PATH", help="where the HTML page goes; default: report.html in the lake")
    parser.add_argument(
        "--trial-minutes",
        type=float,
        metavar="MINUTES",
        help="first try other settings on other splits for about so long; refreshes then use what was clearly better",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; see --help."""
    return run_job("backtest", __doc__, _with_missing_steps, argv, _add_arguments)


if __name__ == "__main__":
    raise SystemExit(main())

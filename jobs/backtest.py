"""Judge the lists on what the split hid, beside the baselines; write the metrics and one HTML page.

Run by itself it first makes the tables of the backtest where they are missing.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence

from jobs.backtest_judge import judge
from jobs.backtest_page import show
from jobs.backtest_trials import propose
from jobs.command import run_job
from jobs.context import Job
from jobs.pipeline import BACKTEST, Step, run_steps
from recsys_spark.config.load import same_learning
from recsys_spark.errors import SettingsError
from recsys_spark.lake import erasure_runs, release_of

OUTPUTS = ("metrics",)
JUDGED = ("truth", "user_blocks", "route_weights")
"""Of the tables that are judged: what the first step makes, one between, and the last."""
JUDGING = ("k", "bootstrap", "use_trials")
"""Settings of the group backtest that steer how tables are judged, and nothing of how they are made."""


def run(job: Job) -> None:
    """Metrics of every contender, and the page."""
    judge(job)
    show(job.with_fold("backtest"))


def _with_missing_steps(job: Job) -> None:
    if not job.lake.with_fold("backtest").exists("route_weights"):
        job = run_steps(job, (Step("ingest", "full"), *BACKTEST))
    require_same_settings(job.with_fold("backtest"))
    if job.arguments.trial_minutes:
        propose(job, job.arguments.trial_minutes)
    fold = job.with_fold("backtest")
    if fold.finished(OUTPUTS):
        show(fold)
    else:
        run(job)


def require_same_settings(fold: Job) -> None:
    """See that the tables to judge belong together, and that they and the run's metrics have the settings of the job.

    Raises:
        SettingsError: a refresh was stopped between them, or the settings are others.
    """
    found = {name: _commit_read(fold, name) for name in JUDGED}
    erasures = erasure_runs(fold.lake)
    made = {name: by for name, by in found.items() if by and by["run_id"] not in erasures}
    if len({(by["settings_sha256"], by["as_of"]) for by in made.values()}) > 1:
        listed = ", ".join(f"{name} of run {by['run_id']}" for name, by in made.items())
        raise SettingsError(
            f"the tables of the backtest do not belong together: {listed}; let a refresh run to its end, or judge an "
            "earlier one by its --run-id"
        )
    for by in made.values():
        if not _as_made(fold, by, free=JUDGING):
            raise SettingsError(
                f"the tables of the backtest are of run {by['run_id']}, which was started with other settings (hash "
                f"{by['settings_sha256'][:12]}, now {fold.commit.settings_sha256[:12]}); refresh with these settings "
                "first, or use the settings of that run. Values that trials chose since then count as settings, unless "
                "backtest.use_trials is false"
            )
    if fold.finished(OUTPUTS) and not _as_made(fold, _commit_read(fold, *OUTPUTS), free=()):
        raise SettingsError(f"run {fold.run_id} was judged with other settings; take another --run-id")


def _commit_read(fold: Job, name: str) -> Mapping[str, str]:
    """What the commit says that wrote a table as the job reads it; empty if the history no longer tells."""
    version = fold.version(name)
    commits = fold.lake.commits(name)
    return next((by for number, by in commits if version in (None, number)), {})


def _as_made(job: Job, by: Mapping[str, str], free: Sequence[str]) -> bool:
    """Whether a commit's settings are the job's; of a released run also where the free ones of backtest differ."""
    if not by or by["settings_sha256"] == job.commit.settings_sha256:
        return True
    release = release_of(job.lake, by["run_id"])
    if release is None:
        return False
    then = json.loads(release.settings)["backtest"]
    backtest = job.settings.backtest.model_copy(update={name: then[name] for name in free if name in then})
    return same_learning(job.settings.model_copy(update={"backtest": backtest}), release.settings)


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

"""The order of the steps, and which of them a run still has to do."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from jobs.context import Job, log, with_stage
from recsys_spark.errors import SettingsError
from recsys_spark.lake import require_not_ended


@dataclass(frozen=True)
class Step:
    """One job on one fold."""

    name: str
    fold: str

    @property
    def title(self) -> str:
        """How the step is called in progress lines."""
        return self.name if self.fold == "full" else f"{self.name} ({self.fold})"


MODEL = (
    "build_profiles",
    "build_item_vectors",
    "train_als",
    "materialize_dataset",
    "train_coldstart",
    "build_blocks",
)
BACKTEST = tuple(Step(name, "backtest") for name in ("split", *MODEL, "learn_weights"))
REFRESH = (
    Step("ingest", "full"),
    *BACKTEST,
    Step("backtest", "backtest"),
    *[Step(name, "full") for name in MODEL],
    Step("recommend", "full"),
)


def run_steps(job: Job, steps: Sequence[Step]) -> Job:
    """Run each step that this run has not finished; a finished step is one whose tables this run has committed.

    Returns the job with the as-of time that its ingest settled.
    """
    require_same_settings(job)
    for number, step in enumerate(steps, start=1):
        title = f"[{number}/{len(steps)}] {step.title}"
        module = importlib.import_module(f"jobs.{step.name}")
        folded = job.with_fold(step.fold)
        require_not_ended(job.lake, job.run_id)
        if folded.finished(module.OUTPUTS):
            log.info("%s: finished before, skipped", title)
        else:
            job.describe(title)
            with_stage(title, partial(module.run, folded))
        if step.name == "ingest":
            job = job.ingested()
    return job


def require_same_settings(job: Job) -> None:
    """A run keeps its settings from start to end.

    Raises:
        SettingsError: this run id was started with other settings.
    """
    for _, written in job.lake.with_fold("full").commits("events"):
        if written["run_id"] == job.run_id and written["settings_sha256"] != job.commit.settings_sha256:
            raise SettingsError(
                f"run {job.run_id} was started with other settings (hash {written['settings_sha256'][:12]}, now "
                f"{job.commit.settings_sha256[:12]}); resume it with the same ones, or take another --run-id"
            )

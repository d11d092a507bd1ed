"""The order of the steps, and which of them a run still has to do."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from jobs.context import Job, log, with_stage
from recsys_spark.errors import SettingsError, SourceError
from recsys_spark.lake import require_not_ended
from recsys_spark.sources.fingerprint import fingerprint


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
UPDATE = (Step("ingest", "full"), *[Step(name, "full") for name in MODEL], Step("recommend", "full"))
"""What brings a release up to date: the same steps, each for what changed, and none that learns."""


def run_steps(job: Job, steps: Sequence[Step]) -> Job:
    """Run each step that this run has not finished; a finished step is one whose tables this run has committed.

    Returns the job with the as-of time that its ingest settled, and with its claim to the run.
    """
    require_same_start(job)
    job = job.claimed()
    for number, step in enumerate(steps, start=1):
        title = f"[{number}/{len(steps)}] {step.title}"
        module = importlib.import_module(f"jobs.{step.name}")
        folded = job.with_fold(step.fold)
        require_not_ended(job.lake, job.run_id)
        if folded.finished(folded.outputs(module.OUTPUTS)):
            log.info("%s: finished before, skipped", title)
        else:
            job.describe(title)
            with_stage(title, partial(module.run, folded))
        if step.name == "ingest":
            job = job.ingested()
    return job


def require_same_start(job: Job) -> None:
    """A run keeps its settings, its as-of time and its source from start to end.

    Raises:
        SettingsError: this run id was started with other settings, or with another as-of time.
        SourceError: this run id has read the source as it was before it changed.
    """
    begun = job.begun
    if begun is None:
        return
    remedy = f"take another --run-id, or resume run {job.run_id} as it was started"
    if begun["settings_sha256"] != job.commit.settings_sha256:
        raise SettingsError(
            f"run {job.run_id} was started with other settings (hash {begun['settings_sha256'][:12]}, now "
            f"{job.commit.settings_sha256[:12]}); {remedy}"
        )
    asked = job.asked_as_of
    if asked and asked.isoformat() != begun["as_of"]:
        raise SettingsError(f"run {job.run_id} was started as of {begun['as_of']}, now {asked.isoformat()}; {remedy}")
    source = begun.get("source_sha256")
    if source and source != fingerprint(job.spark, job.settings.source):
        raise SourceError(f"the source has changed since run {job.run_id} read it; {remedy}")

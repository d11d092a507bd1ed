"""The order of the steps, and which of them a run still has to do."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from jobs.context import Job, log, with_stage
from recsys_spark.errors import SettingsError, SourceError
from recsys_spark.kernels.together import together
from recsys_spark.lake import erasure_runs, require_not_ended
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


@dataclass(frozen=True)
class Beside:
    """Sequences of steps that do not need each other, so that they run at the same time."""

    branches: tuple[tuple[Step, ...], ...]


def _full(*names: str) -> tuple[Step, ...]:
    return tuple(Step(name, "full") for name in names)


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
    *_full("ingest"),
    *BACKTEST,
    Step("backtest", "backtest"),
    *_full(*MODEL, "recommend"),
)
UPDATE: tuple[Step | Beside, ...] = (
    *_full("ingest", "build_profiles", "build_item_vectors"),
    Beside((_full("train_als"), _full("materialize_dataset", "train_coldstart"))),
    *_full("build_blocks", "recommend"),
)
"""What brings a release up to date: the same steps, each for what changed, and none that learns.

Folding users in and scoring with the towers are short; where they learn, each fills a machine, and its memory."""


def run_steps(job: Job, steps: Sequence[Step | Beside]) -> Job:
    """Run each step that this run has not finished; a finished step is one whose tables this run has committed.

    Returns the job with the as-of time that its ingest settled, and with its claim to the run.
    """
    flat = in_order(steps)
    # Where others ran all steps, a workflow's tasks, what they read no longer matters.
    require_same_start(job, reads_source=not all(_is_finished(job, step) for step in flat))
    job = job.claimed()
    titles = {step: f"[{number}/{len(flat)}] {step.title}" for number, step in enumerate(flat, start=1)}
    for part in steps:
        if isinstance(part, Beside):
            together(job.spark, [partial(_run_each, job, branch, titles) for branch in part.branches])
        else:
            _run_each(job, (part,), titles)
            if part.name == "ingest":
                job = job.ingested()
    return job


def in_order(steps: Sequence[Step | Beside]) -> list[Step]:
    """All steps one after the other, those of a branch before those of the next."""
    nested = [part.branches if isinstance(part, Beside) else ((part,),) for part in steps]
    return [step for branches in nested for branch in branches for step in branch]


def _run_each(job: Job, steps: Sequence[Step], titles: Mapping[Step, str]) -> None:
    for step in steps:
        require_not_ended(job.lake, job.run_id)
        if _is_finished(job, step):
            log.info("%s: finished before, skipped", titles[step])
        else:
            job.describe(titles[step])
            run = importlib.import_module(f"jobs.{step.name}").run
            with_stage(titles[step], partial(run, job.with_fold(step.fold)))


def _is_finished(job: Job, step: Step) -> bool:
    folded = job.with_fold(step.fold)
    return folded.finished(folded.outputs(importlib.import_module(f"jobs.{step.name}").OUTPUTS))


def require_same_start(job: Job, *, reads_source: bool = True) -> None:
    """A run keeps its settings, its as-of time and, unless all is read, its source from start to end.

    Raises:
        SettingsError: this run id was started with other settings, with another as-of time, or as an erasure.
        SourceError: this run id has read the source as it was before it changed.
    """
    begun = job.begun
    # One that was stopped early is not on record yet.
    if job.run_id in erasure_runs(job.lake) or (begun and begun.get("kind")):
        raise SettingsError(f"run id {job.run_id} is that of an erasure; take another --run-id")
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
    source = begun.get("source_sha256") if reads_source else None
    if source and source != fingerprint(job.spark, job.settings.source):
        raise SourceError(f"the source has changed since run {job.run_id} read it; {remedy}")

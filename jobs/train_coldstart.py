"""Train the two-tower model in processes of its own and write the vectors of all users and items."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from pyspark.sql import DataFrame

from jobs.command import run_job
from jobs.context import Job
from jobs.epochs import found_epochs
from jobs.horovod_spark import train_on_spark
from recsys_spark.coldstart.launch import Trained, kept_epoch, score, train
from recsys_spark.coldstart.spec import ScoringSpec, TrainingSpec
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.errors import SettingsError, TrainingError
from recsys_spark.lake import TRIALS, Lake
from recsys_spark.storage import fetch, located, private_folder, put, remove

OUTPUTS = ("tower_vectors", "tower_weights", "training_log")
GROUP_FIELDS = (
    "width",
    "hidden",
    "batch_size",
    "epochs",
    "patience",
    "learning_rate",
    "temperature",
    "content_only_share",
    "id_dropout",
    "history_dropout",
    "seed",
)


def run(job: Job) -> None:
    """Train on one fold; in an update, score what changed with the weights that are kept.

    With coldstart.enabled off all tables are empty.
    """
    if not job.settings.coldstart.enabled:
        for name in job.outputs(OUTPUTS):
            job.write(name, job.spark.createDataFrame([], spark_schema(table(name))))
    else:
        (_train if job.base is None else _score_changed)(job)
        clear(job)


def require_launcher(job: Job) -> None:
    """Tell before the first step what would stop the training.

    Raises:
        SettingsError: executors shall train and cannot reach the lake as files.
        PrerequisiteError: this machine has no folder for copies of the lake's files.
    """
    settings = job.settings.coldstart
    if not settings.enabled:
        return
    models(job.lake)
    if settings.launcher == "spark" and _is_apart(job.lake):
        raise SettingsError(
            f"coldstart.launcher is spark, and lake.path, {job.lake.root}, is no folder that every executor reaches "
            "by a path without # and ?; set the launcher to auto, which trains on the driver's machine, or keep the "
            "lake in a folder that all machines mount"
        )


def _train(job: Job) -> None:
    require_launcher(job)
    if job.outputs(["tower_weights"]) and job.finished(["tower_weights", "training_log"]):
        # Another machine, without the checkpoint, would train another model than the one whose weights are kept.
        job.write("tower_vectors", _scored(job, first_item=1))
        return
    settings, found = job.settings.coldstart, found_epochs(job)
    given = {name: getattr(settings, name) for name in GROUP_FIELDS}
    spec = TrainingSpec(
        example_files=_files(job, "training_examples"),
        user_files=_files(job, "training_users"),
        item_files=_files(job, "training_items"),
        folder=str(folder(job)),
        **(given | {"epochs": found} if found else given),
    )
    if settings.launcher == "spark":
        _store(job, train_on_spark(spec, settings.processes, settings.timeout_minutes))
    else:
        _store(job, train(spec, settings.processes, settings.launcher, settings.timeout_minutes))


def _score_changed(job: Job) -> None:
    """Vectors of changed users and new items, beside those that the base has of all others."""
    before, items = job.before("tower_vectors"), job.before("item_vectors")
    if before is None or items is None:
        return
    found = _scored(job, first_item=items.count() + 1)
    others = before.join(found.select("side", "idx"), ["side", "idx"], "left_anti")
    job.write("tower_vectors", found.unionByName(others))


def _scored(job: Job, first_item: int) -> DataFrame:
    """Vectors of all users of ``training_users``, and of items from a position on, by the weights that are kept."""
    settings = job.settings.coldstart
    spec = ScoringSpec(
        weight_files=_files(job, "tower_weights"),
        user_files=_files(job, "training_users"),
        item_files=_files(job, "training_items"),
        folder=str(folder(job)),
        weights_sha256=kept_epoch(job.read("training_log").collect())["weights_sha256"],
        first_item=first_item,
        width=settings.width,
        hidden=settings.hidden,
        temperature=settings.temperature,
    )
    vectors = score(spec, settings.timeout_minutes)
    job.require_claim()
    return _made(job, vectors)


def folder(job: Job) -> Path:
    """Where the run's checkpoints go, so that a killed run resumes: models/RUN/FOLD in a local lake.

    A lake behind a URI has no folder that TensorFlow can write to; there it is a temporary folder of this machine.
    """
    return models(job.lake) / _of_run(job)


def _of_run(job: Job) -> str:
    """RUN/FOLD as Hadoop takes it: some of its file systems, and all patterns of paths, refuse a colon in a name."""
    return f"{quote(job.run_id, safe='')}/{job.fold}"


def models(lake: Lake) -> Path:
    """Folder of all training files of a lake's runs.

    Raises:
        PrerequisiteError: it cannot be one of this user alone.
    """
    root = _root(lake)
    if not _is_apart(lake):
        return Path(root.removeprefix("file:")) / "models"
    # Several lakes may be refreshed from one machine; what trials leave lies below what their lake leaves.
    above, _, trial = root.partition(f"/{TRIALS}/")
    own = private_folder(Path(tempfile.gettempdir()) / f"recsys-models-{os.getuid()}")
    folder = own / hashlib.sha256(above.encode()).hexdigest()[:16]
    return folder / TRIALS / trial if trial else folder


def drop_models(lake: Lake) -> None:
    """Remove what trainings that were stopped left, here and in the lake; what a release needs is in its tables."""
    if models(lake).exists():
        shutil.rmtree(models(lake))
    if _is_apart(lake):
        remove(lake.spark, f"{lake.root}/models")


def clear(job: Job) -> None:
    """Remove all that a training or a scoring needed or made, once it is in the lake's tables; its logs stay."""
    for left in folder(job).glob("*/"):
        shutil.rmtree(left, ignore_errors=True)
    if _is_apart(job.lake):
        remove(job.spark, _staged(job))


def _root(lake: Lake) -> str:
    """The lake's root with its scheme; one that has none lies where Spark's fs.defaultFS says."""
    has_scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", lake.root)
    return lake.root if has_scheme else located(lake.spark, lake.root)[1].toString()


def _is_apart(lake: Lake) -> bool:
    """Whether training works outside the lake: it lies behind a URI, or Petastorm cannot read its path."""
    return re.fullmatch(r"file:[^#?]*", _root(lake)) is None


def _staged(job: Job) -> str:
    """Folder of a lake apart in which executors find what was made on this machine."""
    return f"{job.lake.root}/models/{_of_run(job)}"


def _files(job: Job, name: str) -> tuple[str, ...]:
    """URIs of a table's Parquet files on this machine; a run that is taken up finds the same ones."""
    found = job.lake.files(name, job.version(name))
    if _is_apart(job.lake):
        here = fetch(job.spark, found, folder(job) / "input" / name)
    else:
        here = [Path(file.removeprefix("file:")) for file in found]
    return tuple(file.as_uri() for file in here)


def _made(job: Job, made: Path) -> DataFrame:
    """The rows of a folder that is named after the table that they are for, where every executor can read it."""
    place = f"file://{made}"
    if _is_apart(job.lake):
        place = f"{_staged(job)}/{made.name}"
        put(job.spark, made, place)
    literal = re.sub(r"([\\*?\[\]{}])", r"\\\1", place)  # Spark takes a path for a pattern
    return job.spark.read.schema(spark_schema(table(made.name))).parquet(literal)


def _store(job: Job, trained: Trained) -> None:
    job.require_claim()  # a driver that took over while this one trained replaces the vectors
    job.describe("store tower vectors")
    if job.outputs(["tower_weights"]):
        weights = _made(job, trained.weights)
        if job.finished(["tower_weights"]) and not job.read("tower_weights").exceptAll(weights).isEmpty():
            raise TrainingError(
                f"run {job.run_id} has kept the weights of a training whose checkpoint is on another machine, and this "
                "one found others; take another --run-id"
            )
        job.write("tower_weights", weights)
    log_schema = spark_schema(table("training_log"))
    rows = [tuple(line[name] for name in log_schema.names) for line in trained.log]
    job.write("training_log", job.spark.createDataFrame(rows, log_schema).coalesce(1))
    # Last: from weights and log they can be made again.
    job.write("tower_vectors", _made(job, trained.vectors))


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("train_coldstart", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

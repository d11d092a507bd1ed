"""Train the two-tower model in processes of its own and write the vectors of all users and items."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from jobs.command import run_job
from jobs.context import Job
from jobs.epochs import found_epochs
from jobs.horovod_spark import train_on_spark
from recsys_spark.coldstart.launch import Trained, kept_epoch, score, train
from recsys_spark.coldstart.spec import ScoringSpec, TrainingSpec
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.lake import TRIALS

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
    elif job.base is None:
        _train(job)
    else:
        _score(job)


def _train(job: Job) -> None:
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


def _score(job: Job) -> None:
    """Vectors of changed users and new items, beside those that the base has of all others."""
    settings, before = job.settings.coldstart, job.before("tower_vectors")
    items = job.before("item_vectors")
    if before is None or items is None:
        return
    spec = ScoringSpec(
        weight_files=_files(job, "tower_weights"),
        user_files=_files(job, "training_users"),
        item_files=_files(job, "training_items"),
        folder=str(folder(job)),
        weights_sha256=kept_epoch(job.read("training_log").collect())["weights_sha256"],
        first_item=items.count() + 1,
        width=settings.width,
        hidden=settings.hidden,
        temperature=settings.temperature,
    )
    vectors = score(spec, settings.timeout_minutes)
    job.require_claim()
    found = job.spark.read.schema(spark_schema(table("tower_vectors"))).parquet(f"file://{vectors}")
    others = before.join(found.select("side", "idx"), ["side", "idx"], "left_anti")
    job.write("tower_vectors", found.unionByName(others))


def folder(job: Job) -> Path:
    """Where the run's checkpoints go, so that a killed run resumes: models/RUN/FOLD in a local lake.

    A lake behind a URI has no folder that TensorFlow can write to; there it is a temporary folder of this machine.
    """
    return models(job.lake.root) / job.run_id / job.fold


def models(lake_root: str) -> Path:
    """Folder of all training files of a lake's runs."""
    root = lake_root.removeprefix("file://")
    if "://" in root or root.startswith("dbfs:"):
        # Several lakes may be refreshed from one machine; what trials leave lies below what their lake leaves.
        lake, _, trial = root.partition(f"/{TRIALS}/")
        folder = Path(tempfile.gettempdir()) / "recsys-models" / hashlib.sha256(lake.encode()).hexdigest()[:16]
        return folder / TRIALS / trial if trial else folder
    return Path(root).absolute() / "models"


def drop_models(lake_root: str) -> None:
    """Remove what the trainings of a lake left on this machine; what a release needs of it is in its tables."""
    if models(lake_root).exists():
        shutil.rmtree(models(lake_root))


def _files(job: Job, name: str) -> tuple[str, ...]:
    return tuple(job.lake.files(name, job.version(name)))


def _store(job: Job, trained: Trained) -> None:
    job.require_claim()  # a driver that took over while this one trained replaces the vectors
    job.describe("store tower vectors")
    job.write("tower_vectors", job.spark.read.parquet(f"file://{trained.vectors}"))
    job.keep_for_updates("tower_weights", job.spark.read.parquet(f"file://{trained.weights}"))
    log_schema = spark_schema(table("training_log"))
    rows = [tuple(line[name] for name in log_schema.names) for line in trained.log]
    job.write("training_log", job.spark.createDataFrame(rows, log_schema).coalesce(1))


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("train_coldstart", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

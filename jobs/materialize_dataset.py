"""Write the examples, users and items that the deep model trains on and scores, in files that training shards share."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from jobs.command import run_job
from jobs.context import Job
from jobs.epochs import found_epochs
from recsys_spark.dataset.materialize import scored_items, scored_users, training_tables

OUTPUTS = ("training_examples", "training_users", "training_items")

FILES_PER_PROCESS = 8
"""Files of equal size that each training process reads: enough to shuffle and to balance, few to open."""


def run(job: Job) -> None:
    """Materialise one fold's training tables; in an update, the users and items that are scored anew."""
    if job.base is None:
        _write(job, _to_train(job))
    else:
        _write(job, _to_score(job))


def _to_train(job: Job) -> dict[str, DataFrame]:
    settings = job.settings.coldstart
    tables = training_tables(
        job.read("interactions"),
        job.read("user_profiles"),
        job.read("item_vectors"),
        attribute_length=settings.attribute_length,
        history_length=settings.history_length,
        item_feature_length=settings.item_feature_length,
        max_examples=settings.max_examples,
        held_out_share=0.0 if found_epochs(job) else settings.held_out_share,
        seed=settings.seed,
    )
    return tables._asdict()


def _to_score(job: Job) -> dict[str, DataFrame]:
    """Changed users, and all items where there are new ones; else those stay as they were."""
    settings = job.settings.coldstart
    users = scored_users(
        job.changed(job.read("interactions")),
        job.changed(job.read("user_profiles")),
        job.read("item_vectors"),
        attribute_length=settings.attribute_length,
        history_length=settings.history_length,
    )
    if job.stays("item_vectors"):
        job.leave("training_items")
        return {"training_users": users}
    new = scored_items(job.new("item_vectors", "item_id"), item_feature_length=settings.item_feature_length)
    return {"training_users": users, "training_items": job.with_new("training_items", new)}


def _write(job: Job, tables: dict[str, DataFrame]) -> None:
    files = FILES_PER_PROCESS * job.settings.coldstart.processes
    # Round robin: every file, and so every process, gets the same number of rows.
    job.write_together({name: frame.repartition(files) for name, frame in tables.items()}, "materialise")


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("materialize_dataset", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

"""Bring events, users and items in: cleaned into tables, the refused rows into quarantine, all of them counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Row
from pyspark.sql.functions import lit

from jobs.command import run_job
from jobs.context import Job, log
from jobs.hiding import hidden, keys_of_lake, mark_of
from jobs.pipeline import require_same_start
from recsys_spark.config.load import require_source
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.events.clean import (
    Cleaned,
    check_balance,
    judge,
    latest_plausible,
    refusals,
    require_events,
    require_masters,
    settle,
)
from recsys_spark.events.merge import changed_users, items_with_new, new_events, since, upserted, window_start
from recsys_spark.sources.drift import require_same_columns
from recsys_spark.sources.fingerprint import fingerprint
from recsys_spark.sources.formats import readable
from recsys_spark.sources.raw import RawTables, SourceColumn
from recsys_spark.sources.read import read_source

AFTER = ("ts_future", "ts_after_as_of")
UNREADABLE = ("ts_missing", "ts_unparsable")
OUTPUTS = ("events", "users", "items", "quarantine", "data_quality", "source_columns", "changed_users")


def run(job: Job) -> None:
    """Read the source, judge its rows once, write the tables; drift and quality first, so that bad input writes none.

    Events count up to the as-of time that was asked for, else up to the latest plausible one: a lake that holds an
    earlier day moves on with its source. An update judges the rows of its window, and adds what is new to the tables
    of the release that it stands on.
    """
    require_source(job.settings)
    require_same_start(job)
    keys = keys_of_lake(job.lake, job.settings.privacy)
    raw = hidden(job, read_source(job.spark, job.settings.source, job.asked_as_of), keys)
    _require_same_columns(job, raw)
    # Before any row is kept: a source that changes meanwhile is then refused when the run is resumed.
    source_sha256 = fingerprint(job.spark, job.settings.source)
    as_of = job.asked_as_of or _as_of(job, raw)
    job = replace(job, as_of=as_of, source_sha256=source_sha256, key_mark=mark_of(keys))
    events = since(raw.events, _window(job)) if job.base else raw.events
    judged = judge(events, raw.users, raw.items, as_of, job.settings.cleaning)
    kept = [frame.persist(StorageLevel.MEMORY_AND_DISK) for frame in (judged.events, judged.users, judged.items)]
    before = {name: frame for name in ("events", "users", "items") if (frame := job.before(name)) is not None}
    cleaned = settle(judged, before)
    try:
        with readable("the source"):
            job.describe("ingest: judge every row")
            quality = cleaned.data_quality.collect()
            _require_usable(job, quality)
            _write(job, cleaned, before, {"data_quality": quality, "source_columns": raw.columns})
    finally:
        for frame in kept:
            frame.unpersist()


def _require_usable(job: Job, quality: Sequence[Row]) -> None:
    """See that no row was lost and that something is left; tell of tables of which many rows were refused.

    The window of an update may hold no event.
    """
    check_balance(quality)
    require_masters(quality)
    if not job.base:
        require_events(quality)
    # What is asked for as of an earlier time leaves later events out; a window holds unreadable times of all days.
    expected = [*(AFTER if job.asked_as_of else ()), *(UNREADABLE if job.base else ())]
    for line in refusals(quality, expected):
        log.warning("  %s", line)


def _write(job: Job, cleaned: Cleaned, before: Mapping[str, DataFrame], told: Mapping[str, Sequence[Any]]) -> None:
    """The tables of the cleaned rows, and what is told of the source; an update adds them to those of its base.

    Events come first: by their commit a resumed run knows what it began with.
    """
    users, items = cleaned.users, cleaned.items
    job.describe("ingest: write events")
    if not before:
        job.write("events", cleaned.events)
    else:
        job.extend("events", new_events(cleaned.events, before["events"], _window(job)))
        users = upserted(users, before["users"], "user_id")
        items = items_with_new(items, cleaned.available, before["items"])
    found = {"users": users, "items": items, "quarantine": cleaned.quarantine}
    found["changed_users"] = _changed_users(job, users, cleaned.users, before.get("users"))
    found |= {name: job.spark.createDataFrame(rows, spark_schema(table(name))) for name, rows in told.items()}
    job.write_together(found, "ingest: write")


def _window(job: Job) -> datetime:
    """From when on an update reads events."""
    as_of = job.base.release.as_of if job.base else job.cutoff
    return window_start(as_of, job.settings.refresh.late_days)


def _changed_users(job: Job, users: DataFrame, read: DataFrame, before: DataFrame | None) -> DataFrame:
    """Whom of all users an update describes anew, by those that it read; nobody in a full refresh."""
    everyone = users.select("user_id", lit("all").alias("reason"))
    if job.base is None or before is None:
        return everyone.limit(0)
    if job.base.everyone:
        return everyone
    added = job.lake.added("events", job.versions[(job.fold, "events")])
    return changed_users(added, read, before)


def _require_same_columns(job: Job, raw: RawTables) -> None:
    if job.settings.source.drift == "accept" or not job.lake.exists("source_columns"):
        return
    earlier = [SourceColumn(**row.asDict()) for row in job.lake.read("source_columns").collect()]
    for note in require_same_columns(earlier, raw.columns, job.settings.source.mappings):
        log.info("  source: %s", note)


def _as_of(job: Job, raw: RawTables) -> datetime:
    job.describe("ingest: find the latest plausible event")
    with readable("the source"):
        return latest_plausible(raw.events)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``recsys ingest``."""
    return run_job("ingest", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

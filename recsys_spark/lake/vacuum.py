"""Remove the files that no newer version of a table needs, once nothing may still be reading them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from recsys_spark.contracts import ALL_TABLES
from recsys_spark.errors import NotFoundError, SettingsError
from recsys_spark.lake.commit import title_of
from recsys_spark.lake.lake import Lake
from recsys_spark.lake.properties import retention_properties
from recsys_spark.lake.releases import current_release
from recsys_spark.lake.versions import has_files_of

_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"


def vacuum(lake: Lake, retention_hours: float, longest_job_hours: float) -> dict[str, bool]:
    """Remove files that were replaced longer ago than the retention, in every table of both folds.

    A table whose newest version has other files than the one that readers see is left alone: theirs were replaced, and
    their age says nothing about when readers are done with them.

    Returns:
        Table (``backtest/NAME`` for the other fold) to whether it was vacuumed.

    Raises:
        SettingsError: the retention is shorter than the longest job; nothing is removed.
    """
    if retention_hours < longest_job_hours:
        raise SettingsError(
            f"a vacuum that keeps files for {retention_hours:g} hours was refused: a job may read the tables it began "
            f"with for lake.longest_job_hours, {longest_job_hours:g}; keep files for at least as long. "
            "Nothing was removed."
        )
    seen = _versions_seen(lake)
    done = {}
    for fold, name in ((fold, name) for fold in ("full", "backtest") for name in ALL_TABLES):
        folded, title = lake.with_fold(fold), title_of(fold, name)
        if folded.exists(name):
            # Tables of earlier versions, and those that were made under another retention.
            folded.set_properties(name, retention_properties(retention_hours))
            done[title] = title not in seen or has_files_of(lake.spark, folded.path(name), seen[title])
            if done[title]:
                remove_files(lake.spark, folded.path(name), retention_hours)
    return done


def remove_files(spark: SparkSession, path: str, hours: float) -> None:
    """Delta's own VACUUM, also below the week that it takes for the least; callers know who may still be reading."""
    with _without_check(spark):
        DeltaTable.forPath(spark, path).vacuum(hours)


def _versions_seen(lake: Lake) -> dict[str, int]:
    try:
        return dict(current_release(lake).tables)
    except NotFoundError:
        return {}


@contextmanager
def _without_check(spark: SparkSession) -> Iterator[None]:
    before = spark.conf.get(_CHECK, "true")
    spark.conf.set(_CHECK, "false")
    try:
        yield
    finally:
        spark.conf.set(_CHECK, str(before))

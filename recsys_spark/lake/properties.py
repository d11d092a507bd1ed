"""What the properties of tables say: which columns the log tells of, and how long files and log entries stay."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from recsys_spark.contracts import Contract
from recsys_spark.storage import located

_COMPARABLE = ("string", "int", "bigint", "float", "double", "timestamp", "date")
WEEK_HOURS = 168.0
"""How long Delta remembers which files were replaced, unless a table's properties say otherwise."""
CHANGE_FEED = "delta.enableChangeDataFeed"
DELETION_VECTORS = "delta.enableDeletionVectors"
CHECKPOINT = "delta.checkpointInterval"
"""After how many commits Delta writes a checkpoint of the log; an erasure needs one after its own."""


def properties(spark: SparkSession, path: str) -> Mapping[str, str]:
    """The properties of the table at a path."""
    details = DeltaTable.forPath(spark, path).detail()
    return dict(details.select("properties").collect()[0][0])


def set_properties(spark: SparkSession, path: str, wanted: Mapping[str, str | None]) -> None:
    """Set those of a table's properties that differ, and remove those that are to be None.

    Where none differs, nothing is committed.
    """
    there = properties(spark, path)
    differ = [f"'{key}' = '{value}'" for key, value in wanted.items() if value is not None and there.get(key) != value]
    surplus = [f"'{key}'" for key, value in wanted.items() if value is None and key in there]
    quoted = located(spark, path)[1].toString().replace("`", "``")
    for verb, listed in (("SET", differ), ("UNSET", surplus)):
        if listed:
            spark.sql(f"ALTER TABLE delta.`{quoted}` {verb} TBLPROPERTIES ({', '.join(listed)})")


def statistics_properties(contract: Contract, among: Collection[str] | None = None) -> dict[str, str]:
    """Table properties that keep ids out of the log: Delta notes each file's least and largest value of a column.

    They name the contract's columns that tell of nobody, or those of them ``among`` some. Delta takes them where
    a table is created; an older one gets them when it is next purged.
    """
    if not any(field.personal for field in contract.fields):
        return {}
    harmless = [f.name for f in contract.fields if f.type in _COMPARABLE and not f.personal]
    harmless = [name for name in harmless if among is None or name in among]
    if not harmless:
        return {"delta.dataSkippingNumIndexedCols": "0"}
    return {"delta.dataSkippingStatsColumns": ",".join(harmless)}


def retention_properties(hours: float) -> dict[str, str]:
    """Table properties that let a vacuum keep replaced files for so many hours, and releases name versions for years.

    Delta forgets which files were replaced, and when, after a week, and what it forgot a vacuum removes. The log would
    go after 30 days, but an update names versions that its full refresh wrote; an erasure purges the log itself.
    """
    return {
        "delta.deletedFileRetentionDuration": f"interval {math.ceil(max(hours, WEEK_HOURS))} hours",
        "delta.logRetentionDuration": "interval 3650 days",
    }

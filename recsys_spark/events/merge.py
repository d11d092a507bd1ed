"""What an update makes of cleaned rows: new events, and users and items brought up to date."""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.events.typed import as_timestamp


def window_start(as_of: datetime, late_days: float) -> datetime:
    """Midnight (UTC) of the day from which an update reads events: whole days, as bots are told by the day."""
    start = as_of - timedelta(days=late_days)
    return start.replace(hour=0, minute=0, second=0, microsecond=0)


def since(raw_events: DataFrame, start: datetime) -> DataFrame:
    """Raw events from a time on, and those whose time cannot be read: they are refused, and told."""
    ts = as_timestamp(raw_events, "ts")
    return raw_events.where(ts.isNull() | (ts >= F.lit(start)))


def new_events(events: DataFrame, before: DataFrame, start: datetime) -> DataFrame:
    """Events that ``before`` does not hold, told by their hash.

    Args:
        events: cleaned events from ``start`` on.
        before: the table as it was.
        start: events of ``before`` that are older are not looked at.
    """
    known = before.where(F.col("ts") >= F.lit(start)).select("event_id")
    return events.join(known, "event_id", "left_anti")


def upserted(rows: DataFrame, before: DataFrame, key: str) -> DataFrame:
    """The rows, and those of ``before`` whose key they lack: what the source dropped stays until all is read anew."""
    return rows.unionByName(before.join(rows.select(key), key, "left_anti"))


def items_with_new(items: DataFrame, available: DataFrame, before: DataFrame) -> DataFrame:
    """Items of ``before``, available or not as the source says now, and those that it lacks.

    All else that is known of an item stays as the vectors were made from it.

    Args:
        items: cleaned items.
        available: item_id, available: what the source says of each item, as ``Cleaned.available``.
        before: the table as it was.
    """
    now = available.select("item_id", F.col("available").alias("_now"))
    kept = before.join(now, "item_id", "left").withColumn("available", F.coalesce("_now", "available")).drop("_now")
    return kept.unionByName(items.join(before.select("item_id"), "item_id", "left_anti"))


def changed_users(added_events: DataFrame, users: DataFrame, before: DataFrame) -> DataFrame:
    """Users with new events, and those who are new or have other attributes, after contract ``changed_users``.

    Args:
        added_events: the events that are new.
        users: as the source has them now; who is missing is no other than before.
        before: the table as it was.
    """
    # Maps cannot be compared; their entries in order can.
    earlier = before.select("user_id", *_comparable()).toDF("user_id", "was_attributes", "was_measures")
    told = users.select("user_id", *_comparable()).join(earlier, "user_id", "left")
    same = [F.col(name).eqNullSafe(F.col(f"was_{name}")) for name in ("attributes", "measures")]
    others = told.where(~(same[0] & same[1])).select("user_id", F.lit("attributes").alias("reason"))
    active = added_events.select("user_id", F.lit("events").alias("reason")).distinct()
    found = active.unionByName(others).groupBy("user_id").agg(F.max("reason").alias("reason"))
    return found.select(*table("changed_users").columns)


def _comparable() -> list[Column]:
    return [F.array_sort(F.map_entries(name)).alias(name) for name in ("attributes", "measures")]

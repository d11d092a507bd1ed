"""Cleaning: every input row ends as clean, quarantined with all its reasons, or a duplicate; and all are counted.

``judge`` marks the rows, ``settle`` sorts the marked rows into tables. ``clean`` does both; a job that writes several
of the tables persists what ``judge`` returns in between, so that the rows are judged once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.describing import CleaningSettings
from recsys_spark.contracts import table
from recsys_spark.contracts.model import Field
from recsys_spark.contracts.raw import SOURCE_FILE
from recsys_spark.events.clock import latest_plausible
from recsys_spark.events.duplicates import DUPLICATE
from recsys_spark.events.judge import RAW_ROW, judge_events, judge_items, judge_users
from recsys_spark.events.quality import check_balance, refusals, require_events, require_masters, table_quality
from recsys_spark.events.rules import REASONS


@dataclass(frozen=True)
class Judged:
    """Every input row with what was found about it (REASONS, DUPLICATE, CHANGES, RAW_ROW)."""

    events: DataFrame
    users: DataFrame
    items: DataFrame


@dataclass(frozen=True)
class Cleaned:
    """The tables that ingest writes, each in its contract."""

    events: DataFrame
    users: DataFrame
    items: DataFrame
    quarantine: DataFrame
    data_quality: DataFrame
    available: DataFrame
    """item_id, available: whether the source lets an item be recommended, refused rows included; no table."""


def clean(
    raw_events: DataFrame, raw_users: DataFrame, raw_items: DataFrame, as_of: datetime, settings: CleaningSettings
) -> Cleaned:
    """Clean tables from raw ones, lazily.

    Args:
        raw_events: columns of ``raw_columns("events")``, scalars of any type.
        raw_users: columns of ``raw_columns("users")``.
        raw_items: columns of ``raw_columns("items")``.
        as_of: events from this time on are refused.
        settings: what is refused, capped, dropped or filled.
    """
    return settle(judge(raw_events, raw_users, raw_items, as_of, settings))


def judge(
    raw_events: DataFrame, raw_users: DataFrame, raw_items: DataFrame, as_of: datetime, settings: CleaningSettings
) -> Judged:
    """Every input row, typed, with the rules that it broke; see ``clean`` for the arguments."""
    users = judge_users(raw_users, settings)
    items = judge_items(raw_items, settings)
    return Judged(judge_events(raw_events, users, items, as_of, settings), users, items)


def settle(judged: Judged, before: Mapping[str, DataFrame] | None = None) -> Cleaned:
    """The judged rows as tables; users and items that only events know are added with their id alone.

    Args:
        judged: the rows.
        before: in an update, the tables users and items as they were: what they hold needs no bare row.
    """
    frames = {"events": judged.events, "users": judged.users, "items": judged.items}
    events = _kept("events", judged.events)
    available = _available(judged.items)
    users, items = (_kept(name, frames[name]) for name in ("users", "items"))
    earlier = before or {}
    new_users = _unknown(events, "user_id", users, earlier.get("users"))
    new_items = _unknown(events, "item_id", items, earlier.get("items")).join(available, "item_id", "left")
    return Cleaned(
        events=events,
        users=users.unionByName(_bare("users", new_users)),
        items=items.unionByName(_bare("items", new_items)),
        quarantine=reduce(DataFrame.unionByName, [_refused(name, frame) for name, frame in frames.items()]),
        data_quality=reduce(DataFrame.unionByName, [table_quality(name, frame) for name, frame in frames.items()]),
        available=available,
    )


def _kept(name: str, judged: DataFrame) -> DataFrame:
    return judged.where((F.size(REASONS) == 0) & ~F.col(DUPLICATE)).select(*table(name).columns)


def _refused(name: str, judged: DataFrame) -> DataFrame:
    return judged.where(F.size(REASONS) > 0).select(
        F.lit(name).alias("source_table"),
        F.col(SOURCE_FILE).alias("source_file"),
        F.col(RAW_ROW).alias("raw_row"),
        F.col(REASONS).alias("reasons"),
    )


def _available(items: DataFrame) -> DataFrame:
    """item_id, available: as the row says that stays; of an item with refused rows alone, as all of them clearly say.

    A price that cannot be read must not bring back what the shop withdrew.
    """
    stays = (F.size(REASONS) == 0) & ~F.col(DUPLICATE)
    kept = F.max(F.when(stays, F.col("available")))
    refused = F.bool_and(F.coalesce("available", F.lit(False)))
    told = items.where(F.col("item_id").isNotNull()).groupBy("item_id")
    return told.agg(F.coalesce(kept, refused).alias("available"))


def _unknown(events: DataFrame, key: str, *known: DataFrame | None) -> DataFrame:
    """Ids of events that no known table holds."""
    ids = events.where(F.col(key).isNotNull()).select(key).distinct()
    for frame in known:
        ids = ids if frame is None else ids.join(frame.select(key), key, how="left_anti")
    return ids


def _bare(name: str, ids: DataFrame) -> DataFrame:
    """Rows of a contract with nothing but what ``ids`` says; maps and lists are empty, an item is available."""
    neutral = {"available": F.lit(True), "category_path": F.array().cast("array<string>")}
    for field in table(name).fields:
        if field.type.startswith("map<"):
            neutral[field.name] = F.create_map().cast(field.type)
    return ids.select(*[_or_neutral(f, ids, neutral.get(f.name, F.lit(None))) for f in table(name).fields])


def _or_neutral(field: Field, ids: DataFrame, neutral: Column) -> Column:
    value = F.coalesce(F.col(field.name), neutral) if field.name in ids.columns else neutral
    return value.cast(field.type).alias(field.name)


__all__ = [
    "Cleaned",
    "Judged",
    "check_balance",
    "clean",
    "judge",
    "latest_plausible",
    "refusals",
    "require_events",
    "require_masters",
    "settle",
]

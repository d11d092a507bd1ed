"""Cleaning: every input row ends as clean, quarantined with all its reasons, or a duplicate; and all are counted.

``judge`` marks the rows, ``settle`` sorts the marked rows into tables. ``clean`` does both; a job that writes several
of the tables persists what ``judge`` returns in between, so that the rows are judged once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.settings import CleaningSettings
from recsys_spark.contracts import table
from recsys_spark.contracts.raw import SOURCE_FILE
from recsys_spark.events.clock import latest_plausible
from recsys_spark.events.duplicates import DUPLICATE
from recsys_spark.events.judge import RAW_ROW, judge_events, judge_items, judge_users
from recsys_spark.events.quality import check_balance, require_events, table_quality
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


def settle(judged: Judged) -> Cleaned:
    """The judged rows as tables; users and items that only events know are added with their id alone."""
    frames = {"events": judged.events, "users": judged.users, "items": judged.items}
    events = _kept("events", judged.events)
    users, items = _kept("users", judged.users), _kept("items", judged.items)
    return Cleaned(
        events=events,
        users=users.unionByName(_bare("users", _unknown(events, users, "user_id"))),
        items=items.unionByName(_bare("items", _unknown(events, items, "item_id"))),
        quarantine=reduce(DataFrame.unionByName, [_refused(name, frame) for name, frame in frames.items()]),
        data_quality=reduce(DataFrame.unionByName, [table_quality(name, frame) for name, frame in frames.items()]),
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


def _unknown(events: DataFrame, known: DataFrame, key: str) -> DataFrame:
    seen = events.where(F.col(key).isNotNull()).select(key).distinct()
    return seen.join(known.select(key), key, how="left_anti")


def _bare(name: str, ids: DataFrame) -> DataFrame:
    """Rows of a contract with the id alone; maps and lists are empty, an item is available."""
    neutral = {"available": F.lit(True), "category_path": F.array().cast("array<string>")}
    for field in table(name).fields:
        if field.type.startswith("map<"):
            neutral[field.name] = F.create_map().cast(field.type)
    return ids.select(
        *[
            F.col(f.name) if f.name in ids.columns else neutral.get(f.name, F.lit(None)).cast(f.type).alias(f.name)
            for f in table(name).fields
        ]
    )


__all__ = ["Cleaned", "Judged", "check_balance", "clean", "judge", "latest_plausible", "require_events", "settle"]

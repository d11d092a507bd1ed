"""Every input row of one table, typed, with the rules that it broke and what was changed in it."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.describing import CleaningSettings
from recsys_spark.contracts import table
from recsys_spark.contracts.raw import SOURCE_FILE, UNPARSED
from recsys_spark.events.bots import with_bots
from recsys_spark.events.duplicates import DUPLICATE, event_hash, with_event_duplicates, with_master_duplicates
from recsys_spark.events.fill import with_filled, with_incomplete_refused
from recsys_spark.events.numbers import with_numbers, without_numbers
from recsys_spark.events.quality import CHANGES
from recsys_spark.events.rules import REASONS, event_rules, item_rules, user_rules, with_reason, with_reasons
from recsys_spark.events.scale import with_scaled
from recsys_spark.events.typed import RAW, typed_events, typed_items, typed_users

RAW_ROW = "_raw_row"
"""The row as it came, as JSON (or its unparsable text); null for a row that stays."""


def judge_users(raw: DataFrame, settings: CleaningSettings) -> DataFrame:
    """Typed users with REASONS, RAW_ROW, DUPLICATE, CHANGES."""
    judged = with_reasons(typed_users(raw), user_rules())
    return _finish_master("users", judged, settings)


def judge_items(raw: DataFrame, settings: CleaningSettings) -> DataFrame:
    """Typed items with REASONS, RAW_ROW, DUPLICATE, CHANGES."""
    judged = with_reasons(typed_items(raw), item_rules(settings))
    return _finish_master("items", judged, settings)


def judge_events(
    raw: DataFrame, users: DataFrame, items: DataFrame, as_of: datetime, settings: CleaningSettings
) -> DataFrame:
    """Typed events with event_id, REASONS, RAW_ROW, DUPLICATE, CHANGES.

    Args:
        raw: raw events.
        users: judged users, where unknown ids are refused.
        items: judged items, for those that are excluded or unknown.
        as_of: events from this time on are refused.
        settings: limits and actions.
    """
    judged = with_reasons(typed_events(raw), event_rules(as_of, settings))
    judged = with_bots(judged, settings)
    judged = _with_excluded_items(judged, items, settings)
    judged = _with_unknown_ids(judged, users, items, settings)
    # The row's own columns must be dropped before the shuffle that finds duplicates, or it carries them twice.
    return _with_caps(_with_raw_row(judged), settings).transform(with_event_duplicates).select(*_columns("events"))


def _finish_master(name: str, judged: DataFrame, settings: CleaningSettings) -> DataFrame:
    key = table(name).key[0]
    judged = with_numbers(judged)
    if settings.fill_measures == "drop":
        judged = with_incomplete_refused(judged)
    unique = with_master_duplicates(_with_raw_row(judged), key).withColumn(CHANGES, F.array().cast("array<string>"))
    filled = with_filled(unique, key, settings)
    return without_numbers(with_scaled(filled, settings.normalise_measures)).select(*_columns(name))


def _with_excluded_items(events: DataFrame, items: DataFrame, settings: CleaningSettings) -> DataFrame:
    if not settings.exclude_item_values:
        return events
    # Values that are no products are a small part of any catalogue, so their ids fit a broadcast.
    excluded = items.where(F.array_contains(REASONS, "item_excluded") & F.col("item_id").isNotNull())
    ids = excluded.select("item_id", F.lit(True).alias("_excluded")).distinct()
    marked = events.join(F.broadcast(ids), "item_id", how="left")
    return with_reason(marked, "item_excluded", F.col("_excluded")).drop("_excluded")


def _with_unknown_ids(events: DataFrame, users: DataFrame, items: DataFrame, settings: CleaningSettings) -> DataFrame:
    if settings.unknown_ids == "add":
        return events
    for key, masters in (("user_id", users), ("item_id", items)):
        usable = masters.where((F.size(REASONS) == 0) & ~F.col(DUPLICATE))
        known = usable.select(key, F.lit(True).alias("_known"))
        marked = events.join(known, key, how="left")
        reason = key.replace("_id", "_unknown")
        events = with_reason(marked, reason, F.col(key).isNotNull() & F.col("_known").isNull()).drop("_known")
    return events


def _with_raw_row(judged: DataFrame) -> DataFrame:
    text = F.coalesce(F.col(UNPARSED), F.to_json(RAW))
    return judged.withColumn(RAW_ROW, F.when(F.size(REASONS) > 0, F.make_valid_utf8(text))).drop(RAW, UNPARSED)


def _with_caps(events: DataFrame, settings: CleaningSettings) -> DataFrame:
    """Cut quantity and dwell to their limits; the event's hash is of the values as they came."""
    caps = {"dwell_seconds": settings.max_dwell_seconds}
    if settings.quantity_action == "cap":
        caps["quantity"] = settings.max_quantity
    kept = [c for c in events.columns if c not in caps]
    return events.select(
        *kept,
        event_hash().alias("event_id"),
        F.array_compact(F.array(*[F.when(F.col(c) > cap, F.lit(f"capped:{c}")) for c, cap in caps.items()])).alias(
            CHANGES
        ),
        # least() skips nulls, which would turn an unknown dwell into the cap.
        *[F.when(F.col(c) > cap, F.lit(cap)).otherwise(F.col(c)).alias(c) for c, cap in caps.items()],
    )


def _columns(name: str) -> list[str]:
    return [*table(name).columns, SOURCE_FILE, RAW_ROW, REASONS, DUPLICATE, CHANGES]

"""The rules that one row can break on its own. Every row gets the names of all rules that it breaks."""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.describing import CleaningSettings
from recsys_spark.config.group import EVENT_TYPE
from recsys_spark.contracts.raw import UNPARSED
from recsys_spark.events.typed import RAW, REPLACEMENT

REASONS = "_reasons"
"""Names of the rules that the row broke; empty for a row that stays."""

Rules = dict[str, Column]


def event_rules(as_of: datetime, settings: CleaningSettings) -> Rules:
    """Rule name to the condition under which a typed event breaks it."""
    too_late = as_of + timedelta(hours=settings.future_tolerance_hours)
    return {
        "user_id_missing": F.col("user_id").isNull(),
        "user_id_not_utf8": _not_utf8("user_id"),
        "item_id_not_utf8": _not_utf8("item_id"),
        "item_id_missing": F.col("item_id").isNull() & ~F.col("event_type").eqNullSafe("search"),
        "event_type_missing": F.coalesce(F.col("event_type"), F.lit("")) == "",
        "event_type_malformed": (F.col("event_type") != "") & ~F.col("event_type").rlike(EVENT_TYPE),
        "ts_missing": _raw_blank("ts"),
        "ts_unparsable": _unparsable("ts"),
        "ts_future": F.col("ts") > F.lit(too_late),
        "ts_after_as_of": (F.col("ts") >= F.lit(as_of)) & (F.col("ts") <= F.lit(too_late)),
        **_number_rules("price", lowest_allowed=0.0),
        **_number_rules("dwell_seconds", lowest_allowed=0.0),
        **_quantity_rules(settings),
    }


def user_rules() -> Rules:
    """Rule name to the condition under which a typed user breaks it."""
    return {
        "user_id_missing": F.col("user_id").isNull(),
        "user_id_not_utf8": _not_utf8("user_id"),
        "measure_unparsable": _measure_unparsable(),
    }


def item_rules(settings: CleaningSettings) -> Rules:
    """Rule name to the condition under which a typed item breaks it."""
    return {
        "item_id_missing": F.col("item_id").isNull(),
        "item_id_not_utf8": _not_utf8("item_id"),
        "launch_ts_unparsable": _unparsable("launch_ts"),
        "available_unparsable": F.col("available").isNull(),
        "measure_unparsable": _measure_unparsable(),
        "item_excluded": _excluded(settings.exclude_item_values),
        **_number_rules("price", lowest_allowed=0.0),
    }


def with_reasons(frame: DataFrame, rules: Rules) -> DataFrame:
    """The frame with REASONS; a row that the reader could not parse breaks that rule alone, since it has no values."""
    broken = F.array_compact(F.array(*[F.when(condition, F.lit(name)) for name, condition in rules.items()]))
    unparsed = F.col(UNPARSED).isNotNull()
    return frame.withColumn(REASONS, F.when(unparsed, F.array(F.lit("row_unparsable"))).otherwise(broken))


def with_reason(frame: DataFrame, name: str, condition: Column) -> DataFrame:
    """The frame with one more rule judged."""
    more = F.when(condition, F.array_append(REASONS, F.lit(name))).otherwise(F.col(REASONS))
    return frame.withColumn(REASONS, more)


def _quantity_rules(settings: CleaningSettings) -> Rules:
    rules = _number_rules("quantity", lowest_allowed=None) | {"quantity_not_positive": F.col("quantity") <= 0}
    if settings.quantity_action == "quarantine":
        rules["quantity_above_cap"] = _finite("quantity") & (F.col("quantity") > settings.max_quantity)
    return rules


def _number_rules(column: str, lowest_allowed: float | None) -> Rules:
    rules = {
        f"{column}_unparsable": _unparsable(column),
        f"{column}_not_finite": F.col(column).isNotNull() & ~_finite(column),
    }
    if lowest_allowed is not None:
        rules[f"{column}_negative"] = F.col(column) < lowest_allowed
    return rules


def _not_utf8(column: str) -> Column:
    return F.col(column).contains(REPLACEMENT)


def _finite(column: str) -> Column:
    return ~F.isnan(column) & (F.abs(column) < float("inf"))


def _raw_blank(column: str) -> Column:
    raw = F.col(f"{RAW}.{column}")
    return raw.isNull() | (F.trim(raw.cast("string")) == "")


def _unparsable(column: str) -> Column:
    return ~_raw_blank(column) & F.col(column).isNull()


def _measure_unparsable() -> Column:
    raw = F.map_values(F.col(f"{RAW}.measures"))
    return F.exists(
        raw,
        lambda v: v.isNotNull() & (F.trim(v.cast("string")) != "") & v.try_cast("double").isNull(),
    )


def _excluded(values: dict[str, tuple[str, ...]]) -> Column:
    """Whether the item has one of the values; ``brand`` and ``category`` (any level) are looked up in their columns."""
    broken = F.lit(False)
    for name, refused in values.items():
        held = {
            "brand": F.array("brand"),
            "category": F.col("category_path"),
        }.get(name, F.try_element_at("attributes", F.lit(name)))
        broken |= F.coalesce(F.arrays_overlap(held, F.array(*[F.lit(v) for v in refused])), F.lit(False))
    return broken

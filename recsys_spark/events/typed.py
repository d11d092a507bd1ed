"""From raw columns of any type to the contract's types; what cannot be cast becomes null and is told by a rule."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recsys_spark.contracts.raw import EPOCH, ISO_DATE, SOURCE_FILE, UNPARSED
from recsys_spark.kernels.event_columns import as_word

RAW = "_raw"
"""The row's business columns as they came, as a struct; rules compare the typed columns with it."""

REPLACEMENT = "\ufffd"
"""What stands where bytes were no UTF-8; different ids may look alike by it."""


def typed_events(raw: DataFrame) -> DataFrame:
    """Raw events with typed columns beside ``RAW``, SOURCE_FILE and UNPARSED; a missing quantity is 1."""
    return raw.select(
        *_origin(raw),
        as_id(raw, "user_id"),
        as_id(raw, "item_id"),
        as_word(F.col("event_type").cast("string")).alias("event_type"),
        as_timestamp(raw, "ts").alias("ts"),
        as_text("query_text"),
        F.when(is_blank("quantity"), F.lit(1.0)).otherwise(as_number("quantity")).alias("quantity"),
        as_number("price").alias("price"),
        as_number("dwell_seconds").alias("dwell_seconds"),
        as_text("platform"),
        as_id(raw, "session_id"),
    )


def typed_users(raw: DataFrame) -> DataFrame:
    """Raw users with typed columns beside ``RAW``, SOURCE_FILE and UNPARSED."""
    return raw.select(*_origin(raw), as_id(raw, "user_id"), as_attributes(), as_measures())


def typed_items(raw: DataFrame) -> DataFrame:
    """Raw items with typed columns beside ``RAW``, SOURCE_FILE and UNPARSED; available unless the source says no."""
    available = F.when(is_blank("available"), F.lit(True)).otherwise(F.col("available").try_cast("boolean"))
    return raw.select(
        *_origin(raw),
        as_id(raw, "item_id"),
        as_text("title"),
        as_text("description"),
        as_id(raw, "brand"),
        _path(raw).alias("category_path"),
        as_number("price").alias("price"),
        as_timestamp(raw, "launch_ts").alias("launch_ts"),
        available.alias("available"),
        as_attributes(),
        as_measures(),
    )


def is_blank(column: str) -> Column:
    """Whether the raw value is null or text without content."""
    return F.col(column).isNull() | (F.trim(F.col(column).cast("string")) == "")


def as_text(column: str) -> Column:
    """Trimmed text; null where there is none, and with REPLACEMENT where its bytes are no UTF-8."""
    return F.when(~is_blank(column), F.make_valid_utf8(F.trim(F.col(column).cast("string")))).alias(column)


def as_id(raw: DataFrame, column: str) -> Column:
    """An id as trimmed text. Whole floats, which is what pandas makes of nullable integers, lose their ``.0``.

    So do whole decimals, which is what databases make of numbers without a precision, and the text of whole floats,
    which is how pandas writes them to CSV.
    """
    kind = raw.schema[column].dataType
    if isinstance(kind, T.DecimalType) and kind.scale:
        whole = F.col(column).cast(T.DecimalType(max(kind.precision - kind.scale, 1), 0))
        text = F.when(whole == F.col(column), whole.cast("string")).otherwise(F.col(column).cast("string"))
        return text.alias(column)
    if isinstance(kind, T.FloatType | T.DoubleType):
        whole = F.col(column).cast("bigint")
        text = F.when(whole == F.col(column), whole.cast("string")).when(~F.isnan(column), F.col(column).cast("string"))
        return text.alias(column)
    return F.regexp_replace(as_text(column), r"^(-?\d+)\.0$", "$1").alias(column)


def as_number(column: str) -> Column:
    """A double, or null where the text is no number."""
    return F.col(column).try_cast("double")


def as_timestamp(raw: DataFrame, column: str) -> Column:
    """A timestamp in UTC from a timestamp, a date, epoch seconds or text of these or ISO 8601; null for other text."""
    if not isinstance(raw.schema[column].dataType, T.StringType):
        return F.col(column).try_cast("timestamp")
    text = F.trim(column)
    of_epoch = F.when(F.col(column).rlike(rf"^\s*{EPOCH}\s*$"), text.try_cast("double").try_cast("timestamp"))
    return F.when(F.col(column).rlike(rf"^\s*{ISO_DATE}"), text.try_cast("timestamp")).otherwise(of_epoch)


def as_attributes() -> Column:
    """Attributes without null or blank values, and without the names that have no value left."""
    trimmed = F.transform_values("attributes", lambda _, values: _filled_texts(values))
    kept = F.map_filter(trimmed, lambda _, values: F.size(values) > 0)
    empty = F.create_map().cast("map<string,array<string>>")
    return F.coalesce(kept, empty).alias("attributes")


def as_measures() -> Column:
    """Measures as doubles; those that are missing, no number or not finite are left out."""
    numbers = F.transform_values("measures", lambda _, value: value.try_cast("double"))
    kept = F.map_filter(numbers, lambda _, value: is_finite(value))
    return F.coalesce(kept, F.create_map().cast("map<string,double>")).alias("measures")


def is_finite(value: Column) -> Column:
    """Whether the double is neither null, NaN nor infinite."""
    return value.isNotNull() & ~F.isnan(value) & (F.abs(value) < float("inf"))


def _path(raw: DataFrame) -> Column:
    column = F.col("category_path")
    if not isinstance(raw.schema["category_path"].dataType, T.ArrayType):
        column = F.array(column.cast("string"))
    return F.coalesce(_filled_texts(column.cast("array<string>")), F.array().cast("array<string>"))


def _filled_texts(values: Column) -> Column:
    """The texts of an array, trimmed, without those that are null or empty."""
    # Not F.trim itself: transform would hand it the position as the characters to trim.
    trimmed = F.transform(values, lambda v: F.make_valid_utf8(F.trim(v)))
    return F.filter(trimmed, lambda v: v.isNotNull() & (v != ""))


def _origin(raw: DataFrame) -> list[Column]:
    business = [c for c in raw.columns if c not in (SOURCE_FILE, UNPARSED)]
    return [F.struct(*business).alias(RAW), F.col(SOURCE_FILE), F.col(UNPARSED)]

"""Which of several equal rows stays."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.contracts.raw import SOURCE_FILE
from recsys_spark.events.rules import REASONS

DUPLICATE = "_duplicate"
"""Whether another row of the same identity was kept instead of this one."""

_NULL = "\u0000"
_BETWEEN = "\u0001"
_LITERAL = "\u0002"
"""Comes before any of the three that is part of a text."""


def event_hash() -> Column:
    """SHA-256 over the text of a typed event's columns; different events have different texts, whatever they hold."""
    columns = [F.col(c) for c in table("events").columns if c != "event_id"]
    parts = [F.coalesce(_escaped(c.cast("string")), F.lit(_NULL)) for c in columns]
    return F.sha2(F.concat_ws(_BETWEEN, *parts), 256)


def _escaped(text: Column) -> Column:
    for mark in (_LITERAL, _NULL, _BETWEEN):
        text = F.replace(text, F.lit(mark), F.lit(_LITERAL + mark))
    return text


def with_event_duplicates(events: DataFrame) -> DataFrame:
    """Mark all but one of the accepted events of equal ``event_id``; they are alike, so any may stay."""
    return _with_duplicates(events, "event_id", [F.col(SOURCE_FILE).asc_nulls_first()])


def with_master_duplicates(rows: DataFrame, key: str) -> DataFrame:
    """Mark all but the richest of the accepted rows of equal key; ties fall to the row whose JSON sorts last."""
    fields = [c for c in rows.columns if not c.startswith("_") and c != key]
    filled = sum((F.col(c).isNotNull().cast("int") for c in fields), start=F.lit(0))
    richness = filled + F.size(F.map_keys("attributes")) + F.size(F.map_keys("measures"))
    text = F.to_json(F.struct(*fields))
    return _with_duplicates(rows, key, [richness.desc(), text.desc(), F.col(SOURCE_FILE).asc_nulls_first()])


def _with_duplicates(frame: DataFrame, key: str, order: list[Column]) -> DataFrame:
    # A refused row may share its key with an accepted one (a price that is no number reads as none), hence the pair.
    accepted = F.size(REASONS) == 0
    place = F.row_number().over(Window.partitionBy(key, accepted).orderBy(*order))
    return frame.withColumn(DUPLICATE, accepted & (place > 1))

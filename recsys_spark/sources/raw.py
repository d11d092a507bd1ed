"""What every source hands on: three frames in the contract's columns, uncleaned."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.contracts.raw import SOURCE_FILE, UNPARSED, raw_columns


@dataclass(frozen=True)
class SourceColumn:
    """A row of the table source_columns."""

    source_table: str
    source_column: str
    type: str
    taken: str


@dataclass(frozen=True)
class RawTables:
    """Events, users and items as a source has them.

    Each frame has the columns of ``raw_columns`` of its table. Scalars may have any type that can be cast to the
    contract's, text included; values may be missing, wrong or repeated. ``attributes`` is map<string,array<string>>,
    ``measures`` a map from string to numbers or to text.
    """

    events: DataFrame
    users: DataFrame
    items: DataFrame
    columns: tuple[SourceColumn, ...] = ()
    """The columns of the source, where it has any of its own."""


def as_raw(name: str, frame: DataFrame) -> DataFrame:
    """The frame with the raw columns of a table in their order; those that it lacks are null, others are dropped."""
    types = {f.name: f.type for f in table(name).fields} | {SOURCE_FILE: "string", UNPARSED: "string"}
    found = set(frame.columns)
    return frame.select(*[F.col(c) if c in found else F.lit(None).cast(types[c]).alias(c) for c in raw_columns(name)])


def column_of(name: str) -> Column:
    """The column of exactly that name; dots and backticks in it mean nothing."""
    return F.col("`" + name.replace("`", "``") + "`")


def users_of(events: DataFrame) -> DataFrame:
    """Raw users for a source that has no table of them: the ids of the events, without attributes."""
    return as_raw("users", _ids(events, "user_id"))


def items_of(events: DataFrame) -> DataFrame:
    """Raw items for a source that has no table of them: the ids of the events, without attributes."""
    return as_raw("items", _ids(events, "item_id"))


def _ids(events: DataFrame, column: str) -> DataFrame:
    text = F.col(column).cast("string")
    return events.where(text.isNotNull() & (F.trim(text) != "")).select(column).distinct()

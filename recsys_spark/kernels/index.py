"""Dense positions 0 … n-1 in the order of an id, without sorting the table in one task."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

BUCKETS = 64
"""Ranges of ids that are numbered side by side."""


def with_positions(frame: DataFrame, id_column: str, position_column: str, buckets: int = BUCKETS) -> DataFrame:
    """The frame with a bigint column of positions, dense from 0 in the order of ``id_column``.

    Ids are split at boundaries into ranges, each range is numbered on its own, and the sizes of the ranges before it
    are added. The boundaries are the ids with the smallest hashes: a sample that is the same on every run, unlike the
    sample of Spark's range sort. Positions therefore depend on the set of ids alone.

    Args:
        frame: one row per id; ``id_column`` unique and not null.
        id_column: the id to order by.
        position_column: name of the new column.
        buckets: number of ranges.
    """
    ids = frame.select(id_column)
    bounded = frame.crossJoin(F.broadcast(_boundaries(ids, id_column, buckets - 1)))
    ranged = bounded.withColumn("_range", _range_of(F.col(id_column))).drop("_bounds")
    offsets = _offsets(ranged.groupBy("_range").agg(F.count("*").alias("n")))
    within = F.row_number().over(Window.partitionBy("_range").orderBy(id_column)) - 1
    return (
        ranged.withColumn("_within", within)
        .join(F.broadcast(offsets), "_range", "inner")
        .withColumn(position_column, F.col("_offset") + F.col("_within"))
        .drop("_range", "_within", "_offset")
    )


def _boundaries(ids: DataFrame, id_column: str, number: int) -> DataFrame:
    """One row: up to ``number`` ids in ascending order, as ``_bounds``."""
    sample = ids.orderBy(F.xxhash64(id_column), id_column).limit(number)
    return sample.agg(F.array_sort(F.collect_list(id_column)).alias("_bounds"))


def _range_of(identifier: Column) -> Column:
    return F.size(F.filter("_bounds", lambda bound: bound <= identifier))


def _offsets(sizes: DataFrame) -> DataFrame:
    """Rows of the ranges before each range; ``sizes`` has one row a range, so one array holds them all."""
    entries = F.collect_list(F.struct("_range", "n"))
    return sizes.agg(entries.alias("sizes")).select(
        F.inline(
            F.transform(
                "sizes",
                lambda here: F.struct(here["_range"].alias("_range"), _rows_before(here["_range"]).alias("_offset")),
            )
        )
    )


def _rows_before(position: Column) -> Column:
    before = F.filter("sizes", lambda other: other["_range"] < position)
    return F.aggregate(before, F.lit(0).cast("bigint"), lambda total, other: total + other["n"])

"""Dense positions 0 … n-1 in the order of an id, without sorting the table in one task; new ids follow behind."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.kernels.draw import drawn

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


def with_kept_positions(frame: DataFrame, id_column: str, position_column: str, kept: DataFrame | None) -> DataFrame:
    """The frame with positions: those that ids have already stay, other ids follow behind the last of them.

    Args:
        frame: one row per id.
        id_column: the id.
        position_column: name of the new column.
        kept: id_column and position_column of earlier ids, those of the frame among them or not; None for none.
    """
    if kept is None:
        return with_positions(frame, id_column, position_column)
    kept = kept.select(id_column, position_column)
    following = kept.agg((F.coalesce(F.max(position_column), F.lit(-1)) + 1).alias("_following"))
    new = with_positions(frame.join(kept, id_column, "left_anti"), id_column, "_place")
    placed = new.crossJoin(F.broadcast(following)).withColumn(position_column, F.col("_following") + F.col("_place"))
    return frame.join(kept, id_column, "inner").unionByName(placed.drop("_following", "_place"))


def _boundaries(ids: DataFrame, id_column: str, number: int) -> DataFrame:
    """One row: up to ``number`` ids in ascending order, as ``_bounds``."""
    sample = drawn(ids, id_column, number)
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

"""The order of ids: shops give them one after the other, so that it tells who came when, and what came together.

It is known of a user or an item that nothing else is known of. Ids that hold one number have a place in that order; an
id of several numbers, as a hash is, has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.bins import bin_of

KIND = "id"
ONE_NUMBER = r"^\D*(\d{1,18})\D*$"
STEPS = 1_000_000
"""Numbers are told apart to this part of their span, which bounds the memory of exact quantiles."""


def id_encoding(frame: DataFrame, id_column: str, bins: int) -> DataFrame:
    """Inner edges of quantile bins of the ids' numbers, after the contracts ``user_encoding`` and ``item_encoding``.

    One row of kind ``id``, or none where all ids together hold fewer than two numbers.
    """
    numbers = frame.select(_number(id_column).alias("number"))
    span = numbers.agg(F.min("number").alias("low"), F.max("number").alias("high"))
    width = F.col("high") - F.col("low")
    place = F.round(F.try_divide(F.col("number") - F.col("low"), width) * STEPS) / STEPS
    shares = [k / bins for k in range(1, bins)]
    return (
        numbers.crossJoin(F.broadcast(span))
        .agg(F.percentile(F.col("low") + place * width, shares).alias("edges"))
        .where(F.col("edges").isNotNull())
        .select(F.lit(KIND).alias("kind"), F.lit(id_column).alias("name"), "edges")
    )


def with_id_values(frame: DataFrame, id_column: str, column: str, known: DataFrame, levels: Sequence[int]) -> DataFrame:
    """Add ``column``: array<string> of ``id_column/level=bin_k``, k from 1; none for an id of no number.

    Args:
        frame: one row per holder; it is not shuffled.
        id_column: its id.
        column: name of the new column.
        known: holds the row of :func:`id_encoding`, whose number of bins all levels divide.
        levels: how many bins each level has.
    """
    edges = known.where(F.col("kind") == KIND).agg(F.max("edges").alias("_edges"))
    above = bin_of(_number(id_column), F.col("_edges")) - 1
    bins = F.size("_edges") + 1
    words = F.array(*[_word(f"{id_column}/{level}", F.floor(above * level / bins) + 1) for level in levels])
    placed = _number(id_column).isNotNull() & F.col("_edges").isNotNull()
    none = F.array().cast("array<string>")
    return frame.crossJoin(F.broadcast(edges)).withColumn(column, F.when(placed, words).otherwise(none)).drop("_edges")


def _number(id_column: str) -> Column:
    return F.try_element_at(F.regexp_extract_all(id_column, F.lit(ONE_NUMBER)), F.lit(1)).cast("double")


def _word(name: str, number: Column) -> Column:
    return F.concat(F.lit(f"{name}=bin_"), number.cast("string"))

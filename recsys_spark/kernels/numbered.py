"""The order of ids: shops give them one after the other, so that it tells who came when, and what came together.

It is known of a user or an item that nothing else is known of. Ids that hold one number have a place in that order; an
id of several numbers, as a hash is, has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

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
        known: holds the row of :func:`id_encoding`.
        levels: how many bins each level has, ascending; each divides the next, and the last is that of the encoding.
    """
    edges = known.where(F.col("kind") == KIND).agg(F.max("edges").alias("_edges"))
    found = frame.crossJoin(F.broadcast(edges)).select("*", _number(id_column).alias("_number"), F.lit(0).alias("_at0"))
    # From broad to fine, so that a few edges of each level are compared, not all of the finest.
    for place, (broader, level) in enumerate(pairwise((1, *levels))):
        at, step = F.col(f"_at{place}"), levels[-1] // level
        passed = [F.col("_edges")[at + k * step - 1] < F.col("_number") for k in range(1, level // broader)]
        beyond = sum((one.cast("int") * step for one in passed), start=at)
        found = found.withColumn(f"_at{place + 1}", beyond)
    placed = [
        _word(f"{id_column}/{level}", (F.col(f"_at{place}") * level / levels[-1]).cast("int") + 1)
        for place, level in enumerate(levels, 1)
    ]
    known_place = F.col("_number").isNotNull() & F.col("_edges").isNotNull()
    values = F.when(known_place, F.array(*placed)).otherwise(F.array().cast("array<string>"))
    return found.select(*frame.columns, values.alias(column))


def _number(id_column: str) -> Column:
    return F.try_element_at(F.regexp_extract_all(id_column, F.lit(ONE_NUMBER)), F.lit(1)).cast("double")


def _word(name: str, number: Column) -> Column:
    return F.concat(F.lit(f"{name}=bin_"), number.cast("string"))

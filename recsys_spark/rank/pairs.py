"""What is sparse, by user: boosts, and items that are left out."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def sparse_pairs(boosts: DataFrame, excluded: DataFrame | None, sparse_scorers: Sequence[str]) -> DataFrame:
    """user_id and kernels.grid.LISTED: items with a value in lists, for :func:`kernels.grid.lay_out`.

    Args:
        boosts: the table boosts; scorers that are not named are left out.
        excluded: pairs (user_id, item_id), each once, or None for none.
        sparse_scorers: names of boost scorers; the code is a position among them, and that behind them for excluded.
    """
    code, lists = position(F.col("scorer"), sparse_scorers).alias("code"), F.col("item_ids").alias("others")
    found = boosts.select("user_id", code, lists, F.col("scores").alias("values")).where("code >= 0")
    if excluded is None:
        return found
    one = F.array("item_id").alias("others"), F.array(F.lit(1.0)).alias("values")
    return found.unionByName(excluded.select("user_id", F.lit(len(sparse_scorers)).alias("code"), *one))


def about(boosts: DataFrame, items: DataFrame) -> DataFrame:
    """What :func:`sparse_pairs` reads of boosts, of some items (item_id) alone: user_id, scorer, and lists of one."""
    each = boosts.select("user_id", "scorer", F.inline(F.arrays_zip("item_ids", "scores")).alias("item_id", "score"))
    kept = each.join(items.select("item_id"), "item_id", "left_semi")
    return kept.select("user_id", "scorer", F.array("item_id").alias("item_ids"), F.array("score").alias("scores"))


def position(value: Column, names: Sequence[str]) -> Column:
    """Position from 0 of a string among fixed names; -1 where it is none of them."""
    found = F.array_position(F.array(*[F.lit(name) for name in names]), value) if names else F.lit(0)
    return (found - 1).cast("int")

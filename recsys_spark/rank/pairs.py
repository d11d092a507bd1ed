"""What is sparse, a row a pair: boosts, which a table holds as lists, and pairs that are left out."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def sparse_pairs(boosts: DataFrame, excluded: DataFrame | None, sparse_scorers: Sequence[str]) -> DataFrame:
    """user_id, item_id, code and value of every boost, and of every excluded pair, for :func:`kernels.grid.lay_out`.

    Args:
        boosts: the table boosts; scorers that are not named are left out.
        excluded: pairs (user_id, item_id), each once, or None for none.
        sparse_scorers: names of boost scorers; the code is a position among them, and that behind them for excluded.
    """
    code = position(F.col("scorer"), sparse_scorers).alias("code")
    each = F.inline(F.arrays_zip("item_ids", "scores")).alias("item_id", "value")
    found = boosts.select("user_id", "item_ids", "scores", code).where("code >= 0").select("user_id", "code", each)
    if excluded is None:
        return found
    barred = F.lit(len(sparse_scorers)).alias("code"), F.lit(1.0).alias("value")
    return found.unionByName(excluded.select("user_id", "item_id", *barred))


def about(boosts: DataFrame, items: DataFrame) -> DataFrame:
    """What :func:`sparse_pairs` reads of boosts, of some items (item_id) alone: user_id, scorer, and lists of one."""
    each = boosts.select("user_id", "scorer", F.inline(F.arrays_zip("item_ids", "scores")).alias("item_id", "score"))
    kept = each.join(items.select("item_id"), "item_id", "left_semi")
    return kept.select("user_id", "scorer", F.array("item_id").alias("item_ids"), F.array("score").alias("scores"))


def position(value: Column, names: Sequence[str]) -> Column:
    """Position from 0 of a string among fixed names; -1 where it is none of them."""
    found = F.array_position(F.array(*[F.lit(name) for name in names]), value) if names else F.lit(0)
    return (found - 1).cast("int")

"""Sparse scores from behaviour: a user's own purchases, and items that go with what the user met."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.blocks.sparse import as_boosts, best

TYPICAL = 0.02
"""A sum of similarities that is neither little nor much."""
TINY = 1e-12


def behaviour_boosts(
    interactions: DataFrame,
    *,
    enabled: tuple[str, ...],
    per_user: int,
    neighbours: int,
    history: int,
    shrinkage: float,
) -> DataFrame:
    """BOOSTS of the enabled scorers among habit, recent and neighbours; at most ``per_user`` rows a user and scorer."""
    parts = []
    if "habit" in enabled:
        parts.append(habit(interactions, "habit", F.log1p("n_sessions"), per_user))
    if "recent" in enabled:
        parts.append(habit(interactions, "recent", F.log1p("strength"), per_user))
    if "neighbours" in enabled:
        similar = similarities(interactions, neighbours=neighbours, history=history, shrinkage=shrinkage)
        parts.append(neighbour_boosts(interactions, similar, per_user=per_user, history=history))
    if not parts:
        parts.append(habit(interactions.limit(0), "habit", F.lit(0.0), per_user))
    united = parts[0]
    for part in parts[1:]:
        united = united.unionByName(part)
    return united


def habit(interactions: DataFrame, scorer: str, value: Column, per_user: int) -> DataFrame:
    """Each user's own purchases, valued by ``value``; the ``per_user`` best of each user."""
    bought = interactions.where("n_purchases > 0").select("user_id", "item_id", value.alias("value"))
    return as_boosts(best(bought, ("user_id",), per_user), scorer)


def similarities(interactions: DataFrame, *, neighbours: int, history: int, shrinkage: float) -> DataFrame:
    """item_id, other_id, similarity: the ``neighbours`` items most often met together with each item.

    Similarity is the share of the item's users who met the other one too, c / (n + shrinkage) where c of its n users
    did: the conditional probability of Deshpande and Karypis 2004, held back where n is small. A user counts with the
    ``history`` strongest items, so the work grows with users, not with the square of the longest history.
    """
    kept = _strongest(interactions, history).select("user_id", "item_id")
    totals = kept.groupBy("item_id").agg(F.count("*").alias("n"))
    pairs = (
        kept.join(kept.select("user_id", F.col("item_id").alias("other_id")), on="user_id", how="inner")
        .where("item_id != other_id")
        .groupBy("item_id", "other_id")
        .agg(F.count("*").alias("c"))
    )
    valued = pairs.join(totals, on="item_id", how="inner").select(
        "item_id", "other_id", (F.col("c") / (F.col("n") + shrinkage)).alias("value")
    )
    return best(valued, ("item_id",), neighbours, tie="other_id").withColumnRenamed("value", "similarity")


def neighbour_boosts(interactions: DataFrame, similar: DataFrame, *, per_user: int, history: int) -> DataFrame:
    """log(1 + sum / TYPICAL) of an item's similarities to the user's strongest items, and the one that adds most.

    An item of the history counts in proportion to the strongest one: who came long ago has neighbours like anyone else.

    Candidates are the neighbours of the history's items. The other way round, items that have one of the history among
    their own neighbours, a popular item would bring in most of the catalogue.
    """
    kept = _strongest(interactions, history)
    relative = F.col("value") / F.greatest(F.max("value").over(Window.partitionBy("user_id")), F.lit(TINY))
    met = kept.select("user_id", F.col("item_id").alias("met_id"), relative.alias("weight"))
    near = similar.select(F.col("item_id").alias("met_id"), F.col("other_id").alias("item_id"), "similarity")
    terms = met.join(near, on="met_id", how="inner").select(
        "user_id", "item_id", "met_id", (F.col("weight") * F.col("similarity")).alias("term")
    )
    summed = terms.groupBy("user_id", "item_id").agg(
        F.round(F.log1p(F.sum("term") / TYPICAL), 6).alias("value"),
        F.max_by("met_id", F.struct("term", "met_id")).alias("because_item_id"),
    )
    return as_boosts(best(summed, ("user_id",), per_user), "neighbours")


def _strongest(interactions: DataFrame, history: int) -> DataFrame:
    """user_id, item_id, value: the ``history`` strongest items of each user."""
    strength = interactions.select("user_id", "item_id", F.col("strength").alias("value"))
    return best(strength, ("user_id",), history)

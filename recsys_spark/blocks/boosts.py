"""Sparse scores from behaviour: a user's own purchases, what goes with them, and what similar users met."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.blocks.history import history_boosts
from recsys_spark.blocks.sparse import as_boosts, best, strongest
from recsys_spark.kernels.grid import Grid

TYPICAL_COMPANY = 0.2
"""A sum of similarities of users that is neither little nor much."""


def behaviour_boosts(
    interactions: DataFrame,
    item_neighbours: DataFrame,
    *,
    enabled: tuple[str, ...],
    per_user: int,
    neighbours: int,
    history: int,
    item_users: int,
    grid: Grid,
) -> DataFrame:
    """BOOSTS of the enabled scorers that need nothing but interactions; at most ``per_user`` items a user and scorer.

    These are habit, recent, neighbours, ease and similar_users; the arguments are those of the functions below, and the
    table item_neighbours, which holds rows of enabled scorers alone. All but similar_users look at each user's
    interactions alone.
    """
    parts = []
    if "habit" in enabled:
        parts.append(habit(interactions, "habit", F.log1p("n_sessions"), per_user))
    if "recent" in enabled:
        parts.append(habit(interactions, "recent", F.log1p("strength"), per_user))
    if {"neighbours", "ease"} & set(enabled):
        parts.append(history_boosts(interactions, item_neighbours, per_user=per_user, history=history, grid=grid))
    if "similar_users" in enabled:
        near = similar_users(interactions, neighbours=neighbours, history=history, item_users=item_users)
        parts.append(similar_user_boosts(interactions, near, per_user=per_user, history=history))
    if not parts:
        parts.append(habit(interactions.limit(0), "habit", F.lit(0.0), per_user))
    united = parts[0]
    for part in parts[1:]:
        united = united.unionByName(part)
    return united


def habit(interactions: DataFrame, scorer: str, value: Column, per_user: int) -> DataFrame:
    """Each user's own purchases, valued by ``value``; the ``per_user`` best of each user."""
    bought = interactions.where("n_purchases > 0").select("user_id", "item_id", value.alias("value"))
    return as_boosts(bought, scorer, per_user, "any")


def similar_users(interactions: DataFrame, *, neighbours: int, history: int, item_users: int) -> DataFrame:
    """user_id, other_id, similarity: the ``neighbours`` users whose strongest items are most alike.

    Similarity is the cosine of the sets of their ``history`` strongest items, c / sqrt(n m) where c of n and m items
    are common (user-based collaborative filtering: Herlocker, Konstan, Borchers and Riedl 1999).

    Users meet through an item only those ``item_users`` of its users whose hashes come first, so the work grows with
    users and not with the square of a bestseller's. The same users come first for every item: two users are compared
    by all that they have in common, or through rarer items alone.
    """
    size = F.count("*").over(Window.partitionBy("user_id")).alias("n")
    kept = strongest(interactions, history).select("user_id", "item_id", size)
    order = Window.partitionBy("item_id").orderBy(F.xxhash64("user_id"), F.asc("user_id"))
    drawn = kept.withColumn("place", F.row_number().over(order)).where(F.col("place") <= item_users)
    others = drawn.select("item_id", F.col("user_id").alias("other_id"), F.col("n").alias("m"))
    common = (
        kept.join(others, on="item_id", how="inner")
        .where("user_id != other_id")
        .groupBy("user_id", "other_id", "n", "m")
        .agg(F.count("*").alias("c"))
    )
    valued = common.select("user_id", "other_id", (F.col("c") / F.sqrt(F.col("n") * F.col("m"))).alias("value"))
    return best(valued, ("user_id",), neighbours, tie="other_id").withColumnRenamed("value", "similarity")


def similar_user_boosts(interactions: DataFrame, near: DataFrame, *, per_user: int, history: int) -> DataFrame:
    """log(1 + sum / TYPICAL_COMPANY) of the similarities of the near users who have an item among their strongest.

    The user's own items are scored like all others.

    Args:
        interactions: the table.
        near: from :func:`similar_users`.
        per_user: items a user at most.
        history: strongest items of a near user that are looked at.
    """
    met = strongest(interactions, history).select(F.col("user_id").alias("other_id"), "item_id")
    summed = (
        near.join(met, on="other_id", how="inner")
        .groupBy("user_id", "item_id")
        .agg(F.round(F.log1p(F.sum("similarity") / TYPICAL_COMPANY), 6).alias("value"))
    )
    return as_boosts(summed, "similar_users", per_user)

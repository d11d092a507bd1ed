"""Ranking metrics of every user at several cutoffs, in one pass over the lists.

A place of a list is looked up twice, its item's popularity and its user's relevant items, and is then only added to the
sums of its list: Spark compiles all of it into one loop, and sends on one row a list. What is looked up travels as
64-bit hashes of the names. Among ten million names two share a hash with a chance of 3 in a million.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

USER_METRICS = ("recall", "precision", "f1", "ndcg", "hit_rate", "novelty", "served")
OF_LIST = ("model", "slice", "user_id")


def user_scores(
    lists: DataFrame, truth: DataFrame, popularity: DataFrame, cutoffs: Sequence[int], n_users: int
) -> DataFrame:
    """One row for each model that has lists and each user of the truth.

    Args:
        lists: model, slice, user_id, rank (from 1), item_id; an item is at most once in a list.
        truth: slice, user_id, item_id; a repeated row counts once.
        popularity: item_id (the key), n_users: how many users met the item. An item that is not there counts as met by
            one.
        cutoffs: Numbers of places that are judged, ascending.
        n_users: Users with events, of whom ``popularity`` counts.

    Returns:
        model, slice, user_id and METRIC@K (double) of ``USER_METRICS`` for each cutoff. Novelty is null for a user
        without a list.
    """
    places = judged_places(lists.where(F.col("rank") <= cutoffs[-1]), truth, popularity, n_users)
    sums = places.groupBy(*OF_LIST).agg(*[column for k in cutoffs for column in _sums(k)])
    # There are as many models as the settings name, so each task may hold them all.
    models = F.broadcast(lists.select("model").distinct())
    everyone = _wanted(truth).select("slice", "user_id", F.size("wanted").alias("n_wanted")).crossJoin(models)
    scores = everyone.join(sums, list(OF_LIST), how="left")
    return scores.select(*OF_LIST, *[column for k in cutoffs for column in _metrics(k)])


def judged_places(lists: DataFrame, truth: DataFrame, popularity: DataFrame, n_users: int) -> DataFrame:
    """The places of the truth's users: model, slice, user_id, rank, surprise (bits), gain (null where no hit)."""
    places = lists.select(*OF_LIST, "rank", _owner(), _item())
    met_by = F.greatest("n_users", F.lit(1))
    known = popularity.select(_item(), F.log2(F.lit(float(max(n_users, 1))) / met_by).alias("surprise"))
    surprise = F.coalesce("surprise", F.log2(F.lit(float(max(n_users, 1))))).alias("surprise")
    gain = F.when(F.array_contains("wanted", F.col("item")), 1 / F.log2(F.col("rank") + 1)).alias("gain")
    # Users come last: where Spark shuffles for a join, the places of a list then already lie together for their sums.
    found = places.join(known, "item", how="left").join(_wanted(truth).select("owner", "wanted"), "owner", how="inner")
    return found.select(*OF_LIST, "rank", surprise, gain)


def _wanted(truth: DataFrame) -> DataFrame:
    """The relevant items of each user: slice, user_id, owner, wanted."""
    wanted = truth.groupBy("slice", "user_id").agg(F.collect_set(F.xxhash64("item_id")).alias("wanted"))
    return wanted.select("slice", "user_id", _owner(), "wanted")


def _owner() -> Column:
    return F.xxhash64("slice", "user_id").alias("owner")


def _item() -> Column:
    return F.xxhash64("item_id").alias("item")


def _sums(k: int) -> Iterator[Column]:
    """What the metrics of one list at a cutoff are made of."""
    is_judged = F.col("rank") <= k
    yield F.count_if(is_judged).alias(f"listed@{k}")
    yield F.sum(F.when(is_judged, F.col("surprise"))).alias(f"surprise@{k}")
    yield F.count(F.when(is_judged, F.col("gain"))).alias(f"hits@{k}")
    yield F.sum(F.when(is_judged, F.col("gain"))).alias(f"gain@{k}")


def _metrics(k: int) -> Iterator[Column]:
    """``USER_METRICS`` at a cutoff, of ``_sums`` (null where there is no list) and n_wanted."""
    listed, hits, gain = (F.coalesce(F.col(f"`{name}@{k}`"), F.lit(0)) for name in ("listed", "hits", "gain"))
    possible = F.least("n_wanted", F.lit(k))
    ideal = F.lit((1 / np.log2(np.arange(2, k + 2))).cumsum().tolist())
    metrics = {
        "recall": hits / possible,
        "precision": hits / F.lit(k),
        # 2PR / (P + R) with P = hits / k and R = hits / possible
        "f1": 2 * hits / (possible + k),
        "ndcg": gain / ideal[possible - 1],
        "hit_rate": (hits > 0).cast("double"),
        "novelty": F.when(listed > 0, F.col(f"`surprise@{k}`") / listed),
        "served": (listed > 0).cast("double"),
    }
    return (metrics[name].alias(f"{name}@{k}") for name in USER_METRICS)

"""How good the lists are: ranking metrics for each model, slice and number of interactions, with intervals.

For a user with a list of k places:
recall = hits / min(k, relevant items), precision = hits / k, f1 their harmonic mean,
ndcg = sum over hits of 1 / log2(rank + 1), divided by that sum for a perfect list (Järvelin & Kekäläinen 2002),
hit_rate = whether there is a hit, served = whether there is a list. A user without a list scores 0 in all of these.
novelty = mean over the list of -log2(share of users who met the item) (Zhou et al. 2010), over users with a list.
coverage = distinct items listed / candidates.
item_recall = relevant pairs that are in the lists / relevant pairs, by how many users had met the item.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.evaluate.bootstrap import with_intervals
from recsys_spark.evaluate.user_scores import USER_METRICS, user_scores

BUCKET_BOUNDS = (0, 1, 2, 5, 10)
"""Users and items are told apart by their interactions: up to each of these, and above the last."""
BUCKET_NAMES = ("0", "1", "2", "3-5", "6-10", ">10")


def measure(
    lists: DataFrame,
    truth: DataFrame,
    popularity: DataFrame,
    buckets: DataFrame,
    k: int,
    n_candidates: Mapping[str, int],
    n_users: int,
    bootstrap: int,
    seed: int,
) -> DataFrame:
    """Measure every model that has lists on every slice that has truth.

    Args:
        lists: model, slice, user_id, rank (from 1), item_id; an item is at most once in a list.
        truth: slice, user_id, item_id.
        popularity: item_id (the key), n_users: how many users met the item. An item that is not there counts as met by
            one in the novelty, and by none in the item_recall.
        buckets: user_id, bucket, for every user of the truth; see ``interaction_buckets``.
        k: Places that are judged.
        n_candidates: Items a list could hold, by slice.
        n_users: Users with events, of whom ``popularity`` counts.
        bootstrap: Replicates of the interval; 0 makes low and high equal to the value.
        seed: Of the bootstrap.

    Returns:
        Table ``metrics``. ``novelty`` is absent where no user has a list.
    """
    judged = lists.where(F.col("rank") <= k)
    wanted = truth.select("slice", "user_id", "item_id").distinct()
    scores = user_scores(judged, wanted, popularity, (k,), n_users)
    named = [F.col(f"{metric}@{k}").alias(metric) for metric in USER_METRICS]
    of_users = scores.join(buckets, "user_id", how="inner").select("model", "slice", "bucket", "user_id", *named)
    measured = with_intervals(of_users, USER_METRICS, bootstrap, seed)
    others = _coverage(judged, wanted, n_candidates).unionByName(_item_recall(judged, wanted, popularity))
    return measured.unionByName(others).select(
        "model", "slice", "bucket", "metric", F.lit(k).alias("k"), "value", "low", "high", "n_users"
    )


def interaction_buckets(truth: DataFrame, interactions: DataFrame) -> DataFrame:
    """user_id and bucket (how many items the user had met before) for every user of the truth."""
    met = interactions.groupBy("user_id").agg(F.count("*").alias("n"))
    users = truth.select("user_id").distinct().join(met, "user_id", how="left")
    return users.select("user_id", _bucket_of("n"))


def _bucket_of(count: str) -> Column:
    """The bucket of a number of interactions; none is 0."""
    n = F.coalesce(count, F.lit(0))
    bucket = F.lit(BUCKET_NAMES[-1])
    for largest, name in reversed([*zip(BUCKET_BOUNDS, BUCKET_NAMES, strict=False)]):
        bucket = F.when(n <= largest, name).otherwise(bucket)
    return bucket.alias("bucket")


def _coverage(lists: DataFrame, truth: DataFrame, n_candidates: Mapping[str, int]) -> DataFrame:
    """Distinct items in the lists of the truth's users, as a share of the slice's candidates."""
    users = truth.select("slice", "user_id").distinct()
    sizes = users.groupBy("slice").agg(F.count("*").alias("n_users"))
    listed = lists.join(users, ["slice", "user_id"], how="left_semi")
    items = listed.groupBy("model", "slice").agg(F.countDistinct("item_id").alias("items"))
    candidates = F.coalesce(*[F.when(F.col("slice") == s, F.lit(float(n))) for s, n in n_candidates.items()])
    pairs = lists.select("model").distinct().crossJoin(sizes).join(items, ["model", "slice"], how="left")
    value = F.round(F.coalesce("items", F.lit(0)) / candidates, 10)
    return without_interval(pairs.withColumn("bucket", F.lit("all")), "coverage", value)


def _item_recall(lists: DataFrame, truth: DataFrame, popularity: DataFrame) -> DataFrame:
    """The share of the relevant pairs that the lists hold, by how many users had met the item."""
    known = popularity.select("item_id", F.col("n_users").alias("n"))
    pairs = truth.join(known, "item_id", how="left").select("slice", "user_id", "item_id", _bucket_of("n"))
    wanted = pairs.groupBy("slice", "bucket").agg(
        F.count("*").alias("wanted"), F.countDistinct("user_id").alias("n_users")
    )
    hits = lists.join(pairs, ["slice", "user_id", "item_id"], how="inner")
    found = hits.groupBy("model", "slice", "bucket").agg(F.count("*").alias("found"))
    everywhere = lists.select("model").distinct().crossJoin(wanted)
    sums = everywhere.join(found, ["model", "slice", "bucket"], how="left")
    value = F.round(F.coalesce("found", F.lit(0)) / F.col("wanted"), 10)
    return without_interval(sums, "item_recall", value)


def without_interval(rows: DataFrame, metric: str, value: Column) -> DataFrame:
    """Rows of a metric that is no mean over users: low and high are the value.

    Args:
        rows: model, slice, bucket, n_users and what ``value`` is made of.
        metric: its name.
        value: a column of double.
    """
    bounds = [value.alias(name) for name in ("value", "low", "high")]
    return rows.select("model", "slice", "bucket", F.lit(metric).alias("metric"), *bounds, "n_users")

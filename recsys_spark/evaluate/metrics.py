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

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import log2

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.evaluate.bootstrap import with_intervals

USER_METRICS = ("recall", "precision", "f1", "ndcg", "hit_rate", "novelty", "served")
BUCKETS = ((0, "0"), (1, "1"), (2, "2"), (5, "3-5"), (10, "6-10"))
"""Largest number of interactions, and the bucket's name; above the last it is ``MANY``."""
MANY = ">10"


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
        popularity: item_id, n_users: how many users met the item. An item that is not there counts as met by one.
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
    scores = user_scores(judged, wanted, popularity, (k,), n_users).join(buckets, "user_id", how="inner")
    named = [F.col(f"{metric}@{k}").alias(metric) for metric in USER_METRICS]
    measured = with_intervals(
        scores.select("model", "slice", "bucket", "user_id", *named), USER_METRICS, bootstrap, seed
    )
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
    bucket = F.lit(MANY)
    for largest, name in reversed(BUCKETS):
        bucket = F.when(n <= largest, name).otherwise(bucket)
    return bucket.alias("bucket")


def user_scores(
    lists: DataFrame, truth: DataFrame, popularity: DataFrame, cutoffs: Sequence[int], n_users: int
) -> DataFrame:
    """One row for each model and user of the truth: model, slice, user_id, and METRIC@K of ``USER_METRICS``.

    All cutoffs are taken in one pass over the lists. Novelty is null for a user without a list.
    """
    wanted = truth.groupBy("slice", "user_id").agg(F.collect_set("item_id").alias("wanted"))
    found = _list_sums(lists, wanted, popularity, cutoffs, n_users)
    sizes = wanted.select("slice", "user_id", F.size("wanted").alias("n_wanted"))
    models = lists.select("model").distinct()
    everyone = sizes.crossJoin(F.broadcast(models)).join(found, ["model", "slice", "user_id"], how="left")
    return everyone.select("model", "slice", "user_id", *[one for k in cutoffs for one in _metrics_of_a_user(k)])


def _metrics_of_a_user(k: int) -> list[Column]:
    """``USER_METRICS`` of the first k places, from n_wanted and the sums of the list."""
    listed, hits, gain = (F.coalesce(f"{name}@{k}", F.lit(0)) for name in ("listed", "hits", "gain"))
    possible = F.least("n_wanted", F.lit(k))
    metrics = {
        "recall": hits / possible,
        "precision": hits / F.lit(k),
        # 2PR / (P + R) with P = hits / k and R = hits / possible
        "f1": 2.0 * hits / (possible + F.lit(k)),
        "ndcg": gain / _ideal_gain(possible, k),
        "hit_rate": (hits > 0).cast("double"),
        "novelty": F.when(listed > 0, F.col(f"surprise@{k}") / listed),
        "served": (listed > 0).cast("double"),
    }
    return [metrics[name].alias(f"{name}@{k}") for name in USER_METRICS]


def _list_sums(
    lists: DataFrame, wanted: DataFrame, popularity: DataFrame, cutoffs: Sequence[int], n_users: int
) -> DataFrame:
    """For each list and cutoff: listed items, hits, their discounted gain, and the items' summed surprise in bits.

    A user's relevant items travel as one array to the user's lists, which are thus shuffled once, by user, and are not
    sorted: joined item by item they were shuffled and sorted by user and item, and shuffled again to be summed.
    """
    known = popularity.select("item_id", F.col("n_users").alias("met_by"))
    surprise = F.log2(F.lit(float(max(n_users, 1))) / F.greatest(F.coalesce("met_by", F.lit(1)), F.lit(1)))
    marked = (
        lists.join(known, "item_id", how="left")
        .join(wanted.hint("shuffle_hash"), ["slice", "user_id"], how="inner")
        .select("model", "slice", "user_id", "rank", surprise.alias("surprise"), _gain().alias("gain"))
    )
    sums = [one for k in cutoffs for one in _sums_of_a_list(k)]
    return marked.groupBy("model", "slice", "user_id").agg(*sums)


def _gain() -> Column:
    """1 / log2(rank + 1) of a hit; null of any other item."""
    return F.when(F.array_contains("wanted", F.col("item_id")), 1.0 / F.log2(F.col("rank") + 1))


def _sums_of_a_list(k: int) -> list[Column]:
    judged = F.col("rank") <= k
    return [
        F.count(F.when(judged, 1)).alias(f"listed@{k}"),
        F.count(F.when(judged, F.col("gain"))).alias(f"hits@{k}"),
        F.sum(F.when(judged, F.col("gain"))).alias(f"gain@{k}"),
        F.sum(F.when(judged, F.col("surprise"))).alias(f"surprise@{k}"),
    ]


def _ideal_gain(possible: Column, k: int) -> Column:
    """Discounted gain of a list whose first ``possible`` places are hits."""
    sums = accumulate(1.0 / log2(rank + 1) for rank in range(1, k + 1))
    return F.element_at(F.array(*[F.lit(s) for s in sums]), possible.cast("int"))


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
    met = popularity.select("item_id", "n_users")
    wanted = truth.join(met, "item_id", how="left").select("slice", "user_id", "item_id", _bucket_of("n_users"))
    sizes = wanted.groupBy("slice", "bucket").agg(
        F.count("*").alias("pairs"), F.count_distinct("user_id").alias("n_users")
    )
    hits = lists.join(wanted, ["slice", "user_id", "item_id"], how="inner").groupBy("model", "slice", "bucket").count()
    everything = lists.select("model").distinct().crossJoin(F.broadcast(sizes))
    value = F.round(F.coalesce("count", F.lit(0)) / F.col("pairs"), 10)
    return without_interval(everything.join(hits, ["model", "slice", "bucket"], how="left"), "item_recall", value)


def without_interval(rows: DataFrame, metric: str, value: Column) -> DataFrame:
    """Rows of a metric that is no mean over users: low and high are the value.

    Args:
        rows: model, slice, bucket, n_users and what ``value`` is made of.
        metric: its name.
        value: a column of double.
    """
    bounds = [value.alias(name) for name in ("value", "low", "high")]
    return rows.select("model", "slice", "bucket", F.lit(metric).alias("metric"), *bounds, "n_users")

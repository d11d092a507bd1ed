"""Repeat purchases: how likely a user is to buy an item again soon, by when and how often it was bought before.

Gradient-boosted trees (Friedman 2001; scikit-learn's histogram variant) learn on the end of the events: features up to
a cut, labels from the weeks after it. They see a user's own rhythm with the item, the user's visits, and how often the
item is bought again by others; none of it names the user or the item, so a bounded sample of pairs teaches all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from sklearn.ensemble import HistGradientBoostingClassifier

from recsys_spark.blocks.sparse import as_boosts, best
from recsys_spark.kernels.draw import hash_share
from recsys_spark.kernels.event_columns import session_key

DAY = 86_400.0
RECENT_DAYS = 30
HALF_LIVES = (7, 30, 90)
FEATURES = (
    *("n", "last", "first", *(f"decayed_{days}" for days in HALF_LIVES), "gap", "overdue", "rate"),
    *("baskets", "user_last", "user_gap", "user_recent"),
    *("item_users", "item_repeat", "item_recent"),
)
"""What a pair is described by; days unless they are counts, rates or sums."""
WINDOWS = 2
"""Windows before the end of the events that teach."""
TREES = {"max_iter": 80, "max_leaf_nodes": 15, "min_samples_leaf": 100, "l2_regularization": 1.0}
MIN_LABELS = 100
"""With fewer repeats than this in the windows nothing is learned and nothing boosted."""


def repeat_boosts(events: DataFrame, *, horizon_days: float, sample_pairs: int, per_user: int, seed: int) -> DataFrame:
    """Rows of BOOSTS by the scorer repeat: value = log(1 + P(bought again within the horizon) / its mean).

    Runs Spark jobs, and fits on the driver.

    Args:
        events: the table; only purchases count.
        horizon_days: how soon "soon" is, and the length of the windows that teach.
        sample_pairs: pairs that are learned from at most.
        per_user: rows a user at most.
        seed: of the sample and of the trees.
    """
    bought = _baskets(events)
    extent = bought.agg(F.max("ts").alias("latest"), F.count_distinct("user_id", "item_id").alias("pairs")).collect()[0]
    # Just behind the latest purchase: what is asked of the trees is the time after all events.
    now = (extent["latest"] or 0.0) + 1.0
    cuts = [now - window * horizon_days * DAY for window in range(1, WINDOWS + 1)]
    share = sample_pairs / max(extent["pairs"] * len(cuts), 1)
    sample = _sample(bought, cuts, horizon_days, share, seed).toArrow()
    labels = sample["label"].to_numpy(zero_copy_only=False).astype(bool)
    if labels.sum() < MIN_LABELS:
        return as_boosts(bought.limit(0).select("user_id", "item_id", F.lit(0.0).alias("value")), "repeat")
    guess = partial(_likelihood, trees=_fit(sample, labels, seed), mean=float(labels.mean()))
    likely = _described(bought, [now]).mapInArrow(guess, "user_id string, item_id string, value double")
    return as_boosts(best(likely, ("user_id",), per_user), "repeat")


def _baskets(events: DataFrame) -> DataFrame:
    """user_id, item_id, session, ts: one row for each basket that held the item, in seconds since 1970."""
    bought = events.where((F.col("event_type") == "purchase") & F.col("item_id").isNotNull())
    return bought.groupBy("user_id", "item_id", session_key().alias("session")).agg(
        F.min(F.col("ts").cast("double")).alias("ts")
    )


def _described(bought: DataFrame, cuts: Sequence[float]) -> DataFrame:
    """cut, user_id, item_id and FEATURES for each cut and each pair bought before it."""
    seen = bought.withColumn("cut", F.explode(F.array(*[F.lit(cut) for cut in cuts]))).where("ts < cut")
    aged = seen.select("cut", "user_id", "item_id", "session", ((F.col("cut") - F.col("ts")) / DAY).alias("age"))
    pairs = aged.groupBy("cut", "user_id", "item_id").agg(
        F.count("*").alias("n"),
        F.min("age").alias("last"),
        F.max("age").alias("first"),
        F.count_if(F.col("age") < RECENT_DAYS).alias("n_recent"),
        *[
            # Sums of doubles depend on the order of a shuffle; rounded, they repeat.
            F.round(F.sum(F.pow(F.lit(0.5), F.col("age") / days)), 6).alias(f"decayed_{days}")
            for days in HALF_LIVES
        ],
    )
    visits = aged.groupBy("cut", "user_id", "session").agg(F.min("age").alias("age"))
    users = visits.groupBy("cut", "user_id").agg(
        F.count("*").alias("baskets"),
        F.min("age").alias("user_last"),
        (F.max("age") - F.min("age")).alias("user_span"),
        F.count_if(F.col("age") < RECENT_DAYS).alias("user_recent"),
    )
    items = pairs.groupBy("cut", "item_id").agg(
        F.count("*").alias("item_users"),
        F.sum("n").alias("item_baskets"),
        F.sum("n_recent").alias("item_baskets_recent"),
    )
    joined = pairs.join(users, ["cut", "user_id"], "inner").join(items, ["cut", "item_id"], "inner")
    ratios = {
        "gap": (F.col("first") - F.col("last")) / F.greatest(F.col("n") - 1, F.lit(1)),
        "rate": F.col("n") / F.col("baskets"),
        "user_gap": F.col("user_span") / F.greatest(F.col("baskets") - 1, F.lit(1)),
        "item_repeat": F.col("item_baskets") / F.col("item_users"),
        "item_recent": F.col("item_baskets_recent") / F.col("item_baskets"),
    }
    with_ratios = joined.withColumns(ratios).withColumn("overdue", _overdue())
    return with_ratios.select("cut", "user_id", "item_id", *[F.col(name).cast("float") for name in FEATURES])


def _overdue() -> Column:
    """Time since the last purchase in usual gaps; -1 for what was bought once."""
    return F.when(F.col("n") > 1, F.col("last") / F.greatest(F.col("gap"), F.lit(0.5))).otherwise(-1.0)


def _sample(bought: DataFrame, cuts: Sequence[float], horizon_days: float, share: float, seed: int) -> DataFrame:
    """A share of the described pairs of users who bought anything in the window, with label."""
    window = bought.withColumn("cut", F.explode(F.array(*[F.lit(cut) for cut in cuts]))).where(
        (F.col("ts") >= F.col("cut")) & (F.col("ts") < F.col("cut") + horizon_days * DAY)
    )
    again = window.select("cut", "user_id", "item_id", F.lit(True).alias("label")).distinct()
    active = window.select("cut", "user_id").distinct()
    drawn = _described(bought, cuts).where(hash_share("user_id", "item_id", F.lit(seed)) < share)
    return (
        drawn.join(active, ["cut", "user_id"], "left_semi")
        .join(again, ["cut", "user_id", "item_id"], "left")
        .withColumn("label", F.coalesce("label", F.lit(False)))
    )


def _fit(sample: pa.Table, labels: np.ndarray, seed: int) -> HistGradientBoostingClassifier:
    """Trees on the sample in the order of its keys, so that the same rows give the same trees."""
    order = pc.sort_indices(sample, [(name, "ascending") for name in ("cut", "user_id", "item_id")]).to_numpy()
    trees = HistGradientBoostingClassifier(**TREES, random_state=seed)
    return trees.fit(_features(sample)[order], labels[order])


def _features(rows: pa.Table | pa.RecordBatch) -> np.ndarray:
    return np.column_stack([rows[name].to_numpy(zero_copy_only=False) for name in FEATURES])


def _likelihood(
    batches: Iterator[pa.RecordBatch], trees: HistGradientBoostingClassifier, mean: float
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if batch.num_rows:
            value = np.round(np.log1p(trees.predict_proba(_features(batch))[:, 1] / mean), 6)
            ids = [batch["user_id"], batch["item_id"]]
            yield pa.RecordBatch.from_arrays([*ids, pa.array(value)], names=["user_id", "item_id", "value"])

"""Repeat purchases: how likely a user is to buy an item again soon, by when and how often it was bought before.

Gradient-boosted trees (Friedman 2001; scikit-learn's histogram variant) learn on the end of the events: features up to
a cut, labels from the weeks after it. They see a user's own rhythm with the item, the user's visits, and how often the
item is bought again by others; none of it names the user or the item, so a bounded sample of pairs teaches all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from sklearn.ensemble import HistGradientBoostingClassifier

from recsys_spark.blocks.rhythm import DAY, FEATURES, described, purchases
from recsys_spark.blocks.sparse import as_boosts, best
from recsys_spark.kernels.draw import hash_share

WINDOWS = 2
"""Windows before the end of the events that teach."""
TREES = {"max_iter": 80, "max_leaf_nodes": 15, "min_samples_leaf": 100, "l2_regularization": 1.0}
MIN_LABELS = 100
"""With fewer repeats than this in the windows nothing is learned and nothing boosted."""
SCORED = "user_id string, item_id string, value double"


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
    bought = purchases(events)
    extent = bought.agg(F.max("ts").alias("latest"), F.count("*").alias("n")).collect()[0]
    # Just behind the latest purchase: what is asked of the trees is the time after all events.
    now = (extent["latest"] or 0.0) + 1.0
    cuts = [now - window * horizon_days * DAY for window in range(1, WINDOWS + 1)]
    sample = _sample(described(bought, cuts, horizon_days, extent["n"]), sample_pairs, seed)
    labels = sample["label"].to_numpy(zero_copy_only=False).astype(bool)
    if labels.sum() < MIN_LABELS:
        return as_boosts(events.sparkSession.createDataFrame([], SCORED), "repeat")
    guess = partial(_likelihood, trees=_fit(sample, labels, seed), mean=float(labels.mean()))
    likely = described(bought, [now], horizon_days, extent["n"]).mapInArrow(guess, SCORED)
    return as_boosts(best(likely, ("user_id",), per_user), "repeat")


def _sample(pairs: DataFrame, at_most: int, seed: int) -> pa.Table:
    """About ``at_most`` of the pairs of users who bought anything in the window."""
    active = pairs.where("active").persist(StorageLevel.MEMORY_AND_DISK)
    try:
        share = at_most / max(active.count(), 1)
        return active.where(hash_share("user_id", "item_id", F.lit(seed)) < share).toArrow()
    finally:
        active.unpersist()


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

"""Repeat purchases: how likely a user is to buy an item again soon, by when and how often it was bought before.

Gradient-boosted trees (Friedman 2001; scikit-learn's histogram variant) learn on the end of the events: features up to
a cut, labels from the weeks after it. They see a user's own rhythm with the item, the user's visits, and how often the
item is bought again by others; none of it names the user or the item, so a bounded sample of pairs teaches all.

What is learned is rows of tables. It boosts every user or only some, at once or later, with the same result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.special import expit

from recsys_spark.blocks.rhythm import DAY, FEATURES, OF_ITEMS, described, described_now, item_rhythm, purchases
from recsys_spark.blocks.sparse import as_boosts
from recsys_spark.kernels.draw import hash_share
from recsys_spark.kernels.trees import Node, Trees, nodes_of

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

WINDOWS = 2
"""Windows before the end of the events that teach."""
TREES = {"max_iter": 80, "max_leaf_nodes": 15, "min_samples_leaf": 100, "l2_regularization": 1.0}
MIN_LABELS = 100
"""With fewer repeats than this in the windows nothing is learned and nothing boosted."""
STOP_LABELS = 10
"""With fewer pairs of a label than this all trees grow: to stop early a tenth of each label is held out."""
SCORED = "user_id string, item_id string, value double"


@dataclass(frozen=True)
class RepeatModel:
    """What is learned of repeat purchases.

    Attributes:
        trees: rows of REPEAT_TREES; none with fewer than MIN_LABELS repeats.
        now: where the future begins that the trees are asked about, just behind the latest purchase; seconds since
            1970.
        items: REPEAT_ITEMS as of ``now``, lazy.
    """

    trees: list[Node]
    now: float
    items: DataFrame


def learn_repeat(events: DataFrame, *, horizon_days: float, sample_pairs: int, seed: int) -> RepeatModel:
    """Learn from the purchases of everyone. Runs Spark jobs, and fits on the driver.

    Args:
        events: the table; only purchases count.
        horizon_days: how soon "soon" is, and the length of the windows that teach.
        sample_pairs: pairs that are learned from at most.
        seed: of the sample and of the trees.
    """
    bought = purchases(events)
    extent = bought.agg(F.max("ts").alias("latest"), F.count("*").alias("n")).collect()[0]
    # Just behind the latest purchase: what is asked of the trees is the time after all events.
    now = (extent["latest"] or 0.0) + 1.0
    cuts = [now - window * horizon_days * DAY for window in range(1, WINDOWS + 1)]
    pairs = described(bought, cuts, horizon_days, extent["n"])
    sample = _sample(pairs.join(item_rhythm(pairs), ["cut", "item_id"], "inner"), sample_pairs, seed)
    labels = sample["label"].to_numpy(zero_copy_only=False).astype(bool)
    trees = nodes_of(_fit(sample, labels, seed)) if labels.sum() >= MIN_LABELS else []
    items = item_rhythm(described_now(bought, now, extent["n"])).select("item_id", *OF_ITEMS)
    return RepeatModel(trees, now, items)


def repeat_boosts(
    events: DataFrame, trees_rows: Iterable[Sequence[Any]], items: DataFrame, now: float, *, per_user: int
) -> DataFrame:
    """Rows of BOOSTS by the scorer repeat: value = log(1 + P(bought again within the horizon) / its mean).

    A user's rows hang on that user's events and on what was learned, so some users have the rows that they have among
    all. A user with purchases after ``now`` is described a second after the latest of them. Runs a Spark job, which
    counts the purchases.

    Args:
        events: all events of the users to boost; only purchases count.
        trees_rows: REPEAT_TREES, rows in any order; none boost nothing.
        items: REPEAT_ITEMS; pairs with other items are left out.
        now: of the model, seconds since 1970.
        per_user: items a user at most.

    Raises:
        ValueError: the rows are no trees.
    """
    trees = Trees.of(trees_rows)
    if not len(trees.leaves):
        return as_boosts(events.sparkSession.createDataFrame([], SCORED), "repeat", per_user)
    bought = purchases(events)
    pairs = described_now(bought, now, bought.count()).join(items, "item_id", "inner")
    guess = partial(_likelihood, trees=trees)
    likely = pairs.select("user_id", "item_id", *FEATURES).mapInArrow(guess, SCORED)
    return as_boosts(likely, "repeat", per_user)


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
    from sklearn.ensemble import HistGradientBoostingClassifier  # tasks that only boost do not wait for it

    order = pc.sort_indices(sample, [(name, "ascending") for name in ("cut", "user_id", "item_id")]).to_numpy()
    rarer = min(int(labels.sum()), int((~labels).sum()))
    stops = "auto" if rarer >= STOP_LABELS else False
    trees = HistGradientBoostingClassifier(**TREES, early_stopping=stops, random_state=seed)
    return trees.fit(_features(sample)[order], labels[order])


def _features(rows: pa.Table | pa.RecordBatch) -> np.ndarray:
    return np.column_stack([rows[name].to_numpy(zero_copy_only=False) for name in FEATURES])


def _likelihood(batches: Iterator[pa.RecordBatch], trees: Trees) -> Iterator[pa.RecordBatch]:
    mean = expit(trees.baseline)
    for batch in batches:
        if batch.num_rows:
            value = np.round(np.log1p(expit(trees.margin(_features(batch))) / mean), 6)
            ids = [batch["user_id"], batch["item_id"]]
            yield pa.RecordBatch.from_arrays([*ids, pa.array(value)], names=["user_id", "item_id", "value"])

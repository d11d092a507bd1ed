"""What attributes predict: ridge regression from one-hot attributes to the vectors of ids that have events.

A new id gets the prediction in place of what its events would have taught. Source: Gantner et al. 2010, "Learning
attribute-to-feature mappings for cold-start recommendations".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse as sp
from pyspark.sql import Column, DataFrame

from recsys_spark.config.learning import BlockSettings
from recsys_spark.kernels.arrow import csr_rows, matrix
from recsys_spark.kernels.draw import hash_share
from recsys_spark.kernels.ridge import ridge

Count = TypeVar("Count", Column, np.ndarray)
RIDGE_GROWTH = 0.4
"""Penalty of plain features for each square root of an item."""
RELIEF = {"demographic": 0.25}
"""Blocks whose targets are held back less."""
DEMAND: Mapping[str, str] = {"popularity": "n_users", "trend": "popularity"}
"""Blocks that tell demand, of all time and lately, and the counts of item_vectors that they are learned from."""


@dataclass(frozen=True)
class AttributeMap:
    """Weights [features + 1, targets]; the last row is the intercept, what an id without attributes gets."""

    weights: np.ndarray

    def predict(self, held: sp.csr_matrix) -> np.ndarray:
        """Targets [rows, targets] of rows that hold these attributes: one-hot [rows, features]."""
        return (held @ self.weights[:-1] + self.weights[-1]).astype(np.float32)


def fit_map(rows: DataFrame, key: str, targets: int, penalty: np.ndarray, sample_rows: int) -> AttributeMap:
    """Learn the map on the driver from a bounded sample of the rows. Runs two Spark jobs.

    Args:
        rows: the id ``key``, feature_idx (array<int>) and target (array<float>[targets]).
        key: name of the id; which rows are drawn depends on its hash alone.
        targets: length of the target.
        penalty: [features, targets], how much each feature is held back.
        sample_rows: about how many rows are learned from at most.
    """
    share = sample_rows / max(rows.count(), 1) if targets else 0.0
    drawn = rows.where(hash_share(key) < share).select(key, "feature_idx", "target").toArrow() if targets else None
    if drawn is None or not drawn.num_rows:
        return AttributeMap(np.zeros((len(penalty) + 1, targets), np.float32))
    # Rows come as a shuffle delivered them; sums in another order end in other digits.
    drawn = drawn.sort_by(key)
    held = csr_rows(drawn["feature_idx"], None, len(penalty))
    weights, mean = ridge(held, matrix(drawn["target"]), penalty)
    return AttributeMap(np.vstack([weights, mean]).astype(np.float32))


def item_penalty(paired: np.ndarray, widths: Mapping[str, int], n_items: int, settings: BlockSettings) -> np.ndarray:
    """Penalty [features, targets] of the map from item attributes, the targets side by side as in ``widths``.

    A list shows the few highest of all predictions. The more items compete, the likelier these are overrated ones, so
    unless a setting says otherwise the penalty grows with the square root of the catalogue. Log-odds are held back by
    their own prior already.
    """
    plain = settings.ridge_items or RIDGE_GROWTH * float(np.sqrt(n_items))
    by_feature = np.where(paired, max(settings.ridge_pairs, plain), plain)
    relief = [RELIEF.get(name, 1.0) for name, width in widths.items() for _ in range(width)]
    return by_feature[:, None] * np.array(relief)


def demand_target(count: Count, mean: float) -> Count:
    """The target for popularity and trend: sqrt(n / mean n), with the mean over the items that have events.

    Least squares trust all targets alike, but counts vary the more the larger they are, and their square roots about
    equally (Bartlett 1936, "The square root transformation in analysis of variance"): neither the few bestsellers nor
    the many that hardly anyone wants decide the map. The mean makes the targets of two folds alike.
    """
    return (count / mean) ** 0.5

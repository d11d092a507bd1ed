"""What attributes predict: ridge regression from one-hot attributes to the vectors of ids that have events.

A new id gets the prediction in place of what its events would have taught. Source: Gantner et al. 2010, "Learning
attribute-to-feature mappings for cold-start recommendations".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.gram import normal_equations


@dataclass(frozen=True)
class AttributeMap:
    """Weights [features + 1, targets]; the last row is the intercept, what an id without attributes gets."""

    weights: np.ndarray

    def predict(self, indptr: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Targets [rows, targets] of rows with these attributes (CSR parts)."""
        n_features = len(self.weights) - 1
        rows = len(indptr) - 1
        x = sp.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(rows, n_features))
        return (x @ self.weights[:-1] + self.weights[-1]).astype(np.float32)


def fit_map(rows: DataFrame, n_features: int, targets: int, regularization: float, partials: int) -> AttributeMap:
    """Learn the map from rows of feature_idx (array<int>) and target (array<float>[targets]). Runs a Spark job."""
    one_hot = rows.select(
        F.concat("feature_idx", F.array(F.lit(n_features))).alias("feature_idx"),
        F.array_repeat(F.lit(1.0).cast("float"), F.size("feature_idx") + 1).alias("feature_value"),
        "target",
    )
    equations = normal_equations(one_hot, n_features + 1, targets, partials)
    if not equations.rows or not targets:
        return AttributeMap(np.zeros((n_features + 1, targets), np.float32))
    return AttributeMap(equations.ridge(regularization, free=n_features).astype(np.float32))

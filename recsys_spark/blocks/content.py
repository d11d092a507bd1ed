"""Content affinity: how much more often a user takes an attribute value than everyone does.

A user's lift of value f is log(1 + h_uf / (prior * b_f)): h_uf is the user's history with f, b_f the share of f in all
interactions. The score of an item is the sum of the user's lifts over the item's values. Lifts are wide and sparse, so
both sides are projected on the directions that keep most of the scores: a truncated SVD of lifts x items, found by
subspace iteration on two feature x feature matrices (Halko, Martinsson and Tropp 2011).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import sparse_rows
from recsys_spark.kernels.gram import normal_equations

LIFT_SCHEMA = "user_id string, feature_idx array<int>, feature_value array<float>"


@dataclass(frozen=True)
class ContentMap:
    """Projections [features, width] of a user's lifts and of an item's feature values into the content block."""

    lifts: np.ndarray
    items: np.ndarray

    @classmethod
    def empty(cls, n_features: int) -> ContentMap:
        """A map into no positions at all, for a block that is switched off."""
        nothing = np.zeros((n_features, 0), np.float32)
        return cls(nothing, nothing)


def user_lifts(interactions: DataFrame, item_vectors: DataFrame, n_features: int, prior: float) -> DataFrame:
    """user_id, feature_idx, feature_value: the lifts of each user with events; one small job counts the base shares."""
    base = base_shares(item_vectors, n_features)
    weighed = interactions.select("user_id", "item_id", F.log1p("n_sessions").alias("weight")).join(
        item_vectors.select("item_id", "feature_idx").where(F.size("feature_idx") > 0), on="item_id", how="inner"
    )
    histories = weighed.groupBy("user_id").agg(
        F.flatten(F.collect_list("feature_idx")).alias("feature_idx"),
        F.flatten(F.collect_list(F.array_repeat(F.col("weight").cast("float"), F.size("feature_idx")))).alias(
            "weights"
        ),
    )
    return histories.mapInArrow(partial(_lifts, base=base, prior=prior), LIFT_SCHEMA)


def base_shares(item_vectors: DataFrame, n_features: int) -> np.ndarray:
    """Share of each feature in all user and item pairs [n_features]; floored so that no value is infinitely rare."""
    sums = (
        item_vectors.where("n_users > 0")
        .select("n_users", F.explode("feature_idx").alias("idx"))
        .groupBy("idx")
        .agg(F.sum("n_users").alias("n"))
        .collect()
    )
    everyone = item_vectors.agg(F.sum("n_users")).collect()[0][0] or 1
    base = np.zeros(n_features)
    for row in sums:
        base[row["idx"]] = row["n"] / everyone
    return np.maximum(base, 1e-6)


def fit_content(
    lifts: DataFrame,
    item_vectors: DataFrame,
    n_features: int,
    *,
    width: int,
    sample_users: int,
    partials: int,
    seed: int,
) -> ContentMap:
    """The projections, from a seeded sample of at most about ``sample_users`` users. Runs Spark jobs."""
    n_users = max(lifts.count(), 1)
    place = F.pmod(F.xxhash64("user_id", F.lit(seed)), F.lit(1_000_000))
    chosen = place < int(1_000_000 * min(1.0, sample_users / n_users))
    of_lifts = normal_equations(lifts.where(chosen), n_features, 0, partials).xx
    of_items = normal_equations(item_vectors, n_features, 0, partials).xx
    directions = score_subspace(of_lifts, of_items, width, seed)
    return ContentMap(lifts=(of_items @ directions).astype(np.float32), items=directions.astype(np.float32))


def score_subspace(
    of_lifts: np.ndarray, of_items: np.ndarray, width: int, seed: int, iterations: int = 4
) -> np.ndarray:
    """Directions Y [features, width] such that L (B'B) Y (B Y)' is close to the best rank-``width`` copy of L B'.

    ``of_lifts`` is L'L and ``of_items`` is B'B, both [features, features]. B Y has orthonormal columns; columns are
    zero where the scores have lower rank than ``width``.
    """
    n = len(of_items)
    kept = min(width, n)
    basis = np.random.default_rng(seed).standard_normal((n, min(n, kept + 16)))
    for _ in range(iterations):
        basis, _ = np.linalg.qr(of_lifts @ (of_items @ basis))
    images = of_items @ basis
    metric = basis.T @ images
    values, vectors = np.linalg.eigh((metric + metric.T) / 2)
    solid = values > max(values.max(initial=0.0), 1e-12) * 1e-8
    orthonormal = basis @ (vectors[:, solid] / np.sqrt(values[solid]))
    # Rayleigh-Ritz: order the directions by how much of the scores they carry.
    carried = of_items @ orthonormal
    energy, rotation = np.linalg.eigh(carried.T @ of_lifts @ carried)
    best = orthonormal @ rotation[:, np.argsort(-energy)[:kept]]
    out = np.zeros((n, width))
    out[:, : best.shape[1]] = best
    return out


def _lifts(batches: Iterator[pa.RecordBatch], base: np.ndarray, prior: float) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        indptr, indices, weights = sparse_rows(batch["feature_idx"], batch["weights"])
        history = sp.csr_matrix((weights.astype(np.float64), indices, indptr), shape=(batch.num_rows, len(base)))
        history.sum_duplicates()
        values = np.log1p(history.data / (prior * base[history.indices])).astype(np.float32)
        offsets = pa.array(history.indptr.astype(np.int32))
        yield pa.RecordBatch.from_arrays(
            [
                batch["user_id"],
                pa.ListArray.from_arrays(offsets, pa.array(history.indices.astype(np.int32))),
                pa.ListArray.from_arrays(offsets, pa.array(values)),
            ],
            names=["user_id", "feature_idx", "feature_value"],
        )

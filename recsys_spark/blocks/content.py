"""Content affinity: how much more often a user takes an attribute value than everyone does.

A user's lift of value f is w_f log(1 + h_uf / (prior * b_f)): h_uf is the user's history with f, b_f the share of f in
all interactions, w_f how much the attribute that f is a value of tells of taste (taste.py). The score of an item is the
sum of the user's lifts over the item's values: ``content`` over plain values, ``pairs`` over pairs of values. Lifts are
wide and nearly of full rank (who buys one brand's yoghurt buys that), so they are not squeezed into vectors: a sparse
product finds each user's best items exactly, and these become boosts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.blocks.sparse import best_of_shards
from recsys_spark.kernels.arrow import csr_rows, lists_of_rows
from recsys_spark.kernels.best import largest
from recsys_spark.kernels.encode import no_strings
from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out
from recsys_spark.kernels.tiles import tile_rows

LIFT_SCHEMA = "user_id string, feature_idx array<int>, feature_value array<float>"
FOUND = {
    "user_id": "string",
    "scorer": "string",
    "item_group": "string",
    "item_ids": "array<string>",
    "scores": "array<double>",
}
"""One row a user, scorer and item group, best first."""
MIN_SHARE = 1e-6
"""No value counts as rarer than this."""
USERS_AT_ONCE = 32
"""Users whose lifts lie side by side in a dense product."""
DENSE_GAIN = 10
"""A dense product takes so much less time for a term than a sparse one, which has fewer terms."""


def user_lifts(interactions: DataFrame, item_vectors: DataFrame, weights: np.ndarray, prior: float) -> DataFrame:
    """user_id, feature_idx, feature_value: the lifts above 0 of each user with events.

    Args:
        interactions: the table, of the users to describe.
        item_vectors: of all items; one small job counts the base shares.
        weights: [features], how much each feature tells.
        prior: pseudo-interactions behind a lift.
    """
    base = base_shares(item_vectors, len(weights))
    weighed = interactions.select("user_id", "item_id", F.log1p("n_sessions").cast("float").alias("weight")).join(
        item_vectors.select("item_id", "feature_idx").where(F.size("feature_idx") > 0), on="item_id", how="inner"
    )
    histories = weighed.groupBy("user_id").agg(F.collect_list(F.struct("weight", "feature_idx")).alias("met"))
    return histories.mapInArrow(partial(_lifts, base=base, weights=weights, prior=prior), LIFT_SCHEMA)


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
    return np.maximum(base, MIN_SHARE)


def without_new(boosts: DataFrame) -> DataFrame:
    """BOOSTS without what content and pairs say of new items."""
    return boosts.where(~(F.col("scorer").isin("content", "pairs") & (F.col("item_group") == "new")))


def content_boosts(
    lifts: DataFrame, items: DataFrame, features: Mapping[str, np.ndarray], per_user: int, grid: Grid
) -> DataFrame:
    """BOOSTS: each user's ``per_user`` best established and best new items by each scorer.

    Args:
        lifts: from :func:`user_lifts`.
        items: item_id, item_group, feature_idx.
        features: scorer to the mask [n_features] of the values it sums over, not empty.
        per_user: items of a user, scorer and item group at most.
        grid: buckets of users and shards of items.
    """
    found = lay_out(lifts, items, grid, partial(_best_of_cell, features=features, per_user=per_user), FOUND)
    if grid.item_shards > 1:
        found = best_of_shards(found, ("user_id", "scorer", "item_group"), per_user)
    return found.withColumn("because_item_ids", no_strings())


def _lifts(
    batches: Iterator[pa.RecordBatch], base: np.ndarray, weights: np.ndarray, prior: float
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        history = _history(batch["met"], len(base))
        history.sum_duplicates()
        history.data = weights[history.indices] * np.log1p(history.data / (prior * base[history.indices]))
        history.eliminate_zeros()
        offsets = pa.array(history.indptr.astype(np.int32))
        yield pa.RecordBatch.from_arrays(
            [
                batch["user_id"],
                pa.ListArray.from_arrays(offsets, pa.array(history.indices.astype(np.int32))),
                pa.ListArray.from_arrays(offsets, pa.array(history.data.astype(np.float32))),
            ],
            names=["user_id", "feature_idx", "feature_value"],
        )


def _history(met: pa.ListArray, n_features: int) -> sp.csr_matrix:
    """Weights of the features of all that each user met, [users, features] float64; a feature is there once an item.

    Args:
        met: a list of weight and feature_idx for each user.
        n_features: how many features there are.
    """
    weight, features = met.flatten().flatten()
    ends = np.append(0, np.cumsum(np.diff(features.offsets.to_numpy())))
    of_item = np.repeat(weight.to_numpy(zero_copy_only=False).astype(np.float64), np.diff(ends))
    indices = features.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    return sp.csr_matrix(
        (of_item, indices, ends[met.offsets.to_numpy() - met.offsets[0].as_py()]), (len(met), n_features)
    )


def _best_of_cell(users: pa.Table, items: pa.Table, features: Mapping[str, np.ndarray], per_user: int) -> pa.Table:
    """One bucket of users against one shard of items."""
    found = [arrow_schema(FOUND).empty_table()]
    width = len(next(iter(features.values())))
    lifts = csr_rows(users["feature_idx"], users["feature_value"], width)
    for group in sorted(items["item_group"].unique().to_pylist()):
        # Ascending ids, so that a tie goes to the smaller one wherever it is computed.
        theirs = items.filter(pc.equal(items["item_group"], group)).sort_by("item_id")
        held = csr_rows(theirs["feature_idx"], None, width)
        for scorer, mask in features.items():
            rows, columns, values = _best(lifts, held, mask, per_user)
            each = pc.take(theirs["item_id"].combine_chunks(), pa.array(columns)), pa.array(values)
            told, lists = lists_of_rows(rows, each)
            named = [pa.array([name] * len(told), pa.string()) for name in (scorer, group)]
            who = pc.take(users["user_id"], pa.array(told))
            found.append(pa.Table.from_arrays([who, *named, *lists], schema=arrow_schema(FOUND)))
    return pa.concat_tables(found)


def _best(
    lifts: sp.csr_matrix, held: sp.csr_matrix, mask: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of each row's largest sums above 0 over the features of the mask, best first."""
    kept = np.flatnonzero(mask)
    left, right = lifts[:, kept], held[:, kept].sorted_indices()
    by_feature = right.T.tocsr()
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    step = tile_rows(held.shape[0], count)
    for start in range(0, left.shape[0], step):
        sums = _sums(left[start : start + step], right, by_feature)
        rows, columns = largest(np.where(sums > 0, sums, -np.inf), count)
        values = np.round(sums[rows, columns].astype(np.float64), 5)
        order = np.lexsort((columns, -values, rows))
        parts.append((rows[order] + start, columns[order], values[order]))
    rows, columns, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, columns, values


def _sums(lifts: sp.csr_matrix, held: sp.csr_matrix, by_feature: sp.csr_matrix) -> np.ndarray:
    """Sums [users, items] of the lifts [users, features] of what items hold [items, features].

    Either product adds a pair's terms in the order of the features, so both give the same digits.

    Args:
        lifts: of some users.
        held: 0 and 1.
        by_feature: ``held`` transposed.
    """
    terms = lifts.getnnz(axis=0) @ np.diff(by_feature.indptr)
    if terms * DENSE_GAIN < held.nnz * lifts.shape[0]:
        return np.asarray((lifts @ by_feature).toarray())
    found = np.empty((lifts.shape[0], held.shape[0]), np.float32)
    for start in range(0, lifts.shape[0], USERS_AT_ONCE):
        some = lifts[start : start + USERS_AT_ONCE].toarray()
        found[start : start + USERS_AT_ONCE] = (held @ np.ascontiguousarray(some.T)).T
    return found

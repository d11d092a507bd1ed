"""PureSVD: the truncated singular value decomposition of the user-item matrix, which takes a missing pair for a 0.

A holds log(1 + sessions) of each user and item. An item's vector is its row of V, a user's that of A V, and the score
is their dot product (Cremonesi, Koren and Turrin 2010, "Performance of recommender algorithms on top-N recommendation
tasks"). V is found by randomised subspace iteration (Halko, Martinsson and Tropp 2011, "Finding structure with
randomness", algorithms 4.4 and 5.1): A and its transpose are applied in turn to a few random vectors, made orthonormal
after each product. Products are computed in the cells of a grid of users and items; the driver sees square matrices of
the vectors' width alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import list_column, matrix, positions_in
from recsys_spark.kernels.draw import hash_share
from recsys_spark.kernels.gram import gram
from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out
from recsys_spark.kernels.keep import Keep

OVERSAMPLING = 8
"""Random vectors beyond the rank."""
POWER_ITERATIONS = 2
DIGITS = 10
"""Decimals of a scaled Gram matrix. Sums depend on the order of rows below that; equal matrices have equal vectors."""
SMALLEST = 1e-8
"""Least eigenvalue of a scaled Gram matrix, the square of a singular value, that is more than rounding."""
USERS_PER_TASK = 50_000
ITEMS_PER_TASK = 100_000


def fit_svd(interactions: DataFrame, items: DataFrame, *, rank: int, grid: Grid, keep: Keep) -> DataFrame:
    """item_id, svd array<float>[rank]: V, the largest singular value first; zeros where A has a lower rank.

    Runs Spark jobs.

    Args:
        interactions: user_id, item_id, n_sessions.
        items: item_id of the items with events.
        rank: length of the vectors.
        grid: buckets of users and shards of items.
        keep: holds the vectors that are worked on; the result is read from the last ones.
    """
    width = rank + OVERSAMPLING
    users, items = keep(histories(interactions)), items.select("item_id")
    vectors, turn = items.select("item_id", _test_vector(width)), np.eye(width)
    for _ in range(1 + POWER_ITERATIONS):
        taken = keep(_product(users, vectors, partial(_of_users, turn=turn), "user_id", grid))
        turn = orthonormal(gram(taken, "vector", width))
        vectors.unpersist()
        both = users.join(taken, on="user_id", how="inner")
        vectors = keep(_product(both, items, partial(_of_items, turn=turn), "item_id", grid))
        turn = orthonormal(gram(vectors, "vector", width))
        taken.unpersist()
    return vectors.mapInArrow(partial(_turned, turn=turn[:, :rank]), "item_id string, svd array<float>")


def user_vectors(interactions: DataFrame, of_items: DataFrame, *, rank: int, grid: Grid) -> DataFrame:
    """user_id, svd array<float>[rank]: A V.

    Args:
        interactions: user_id, item_id, n_sessions.
        of_items: item_id and svd, from :func:`fit_svd`.
        rank: length of the vectors.
        grid: buckets of users and shards of items.
    """
    items = of_items.select("item_id", F.col("svd").alias("vector"))
    work = partial(_of_users, turn=np.eye(rank))
    found = _product(histories(interactions), items, work, "user_id", grid)
    return found.select("user_id", F.col("vector").cast("array<float>").alias("svd"))


def histories(interactions: DataFrame) -> DataFrame:
    """user_id, items array<string>, weights array<float>: the rows of A."""
    weight = F.log1p("n_sessions").cast("float").alias("weight")
    listed = interactions.groupBy("user_id").agg(F.collect_list(F.struct("item_id", weight)).alias("met"))
    return listed.select("user_id", F.col("met.item_id").alias("items"), F.col("met.weight").alias("weights"))


def orthonormal(gram: np.ndarray) -> np.ndarray:
    """T [width, width] such that Y T has orthonormal columns, those of the largest singular values of Y first.

    By the eigenvectors of Y'Y (Stathopoulos and Wu 2002, "A block orthogonalization procedure with constant
    synchronization requirements"). Unlike Cholesky's factors they exist for every Y: what it lacks in rank becomes
    columns of zeros.

    Args:
        gram: Y'Y [width, width].
    """
    scale = float(gram.diagonal().max(initial=0.0))
    if scale <= 0.0:
        return np.zeros_like(gram)
    values, vectors = np.linalg.eigh(np.round(gram / scale, DIGITS))
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = np.abs(np.round(vectors, 6)).argmax(axis=0)
    # An eigenvector and its opposite serve alike; one of them is chosen.
    vectors = vectors * np.where(vectors[largest, np.arange(len(gram))] < 0, -1.0, 1.0)
    real = values > SMALLEST
    return np.where(real, vectors / np.sqrt(np.where(real, values, 1.0) * scale), 0.0)


def _test_vector(width: int) -> Column:
    """A random vector of each item that depends on its id alone, uniform in [-1, 1)."""
    places = F.sequence(F.lit(1), F.lit(width))
    return F.transform(places, lambda place: 2 * hash_share("item_id", place, F.lit("svd")) - 1).alias("vector")


def _product(
    users: DataFrame, items: DataFrame, work: Callable[[pa.Table, pa.Table], pa.Table], key: str, grid: Grid
) -> DataFrame:
    """``key`` and vector: the cells' parts of a product, summed."""
    fields = _fields(key)
    parts = lay_out(users, items, grid, work, fields)
    if (grid.item_shards if key == "user_id" else grid.user_buckets) == 1:
        return parts
    # As many groups as cells: a group holds no more rows than a cell does.
    group = F.pmod(F.xxhash64(key), F.lit(grid.user_buckets * grid.item_shards))
    schema = ", ".join(f"{name} {kind}" for name, kind in fields.items())
    return parts.groupBy(group.alias("group")).applyInArrow(partial(_summed, key=key), schema)


def _fields(key: str) -> dict[str, str]:
    return {key: "string", "vector": "array<double>"}


def _turned(batches: Iterator[pa.RecordBatch], turn: np.ndarray) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = matrix(batch["vector"], np.float64).reshape(-1, len(turn))
        yield pa.RecordBatch.from_arrays([batch["item_id"], list_column(rows @ turn)], names=["item_id", "svd"])


def _of_users(users: pa.Table, items: pa.Table, turn: np.ndarray) -> pa.Table:
    """The cell's part of A Y T, from the items' rows of Y: one row a user who met an item of the cell."""
    met = _cell(users, items)
    some = np.flatnonzero(met.getnnz(axis=1))
    taken = (met[some] @ matrix(items["vector"], np.float64)) @ turn
    return _table("user_id", users["user_id"].take(pa.array(some)), taken)


def _of_items(users: pa.Table, items: pa.Table, turn: np.ndarray) -> pa.Table:
    """The cell's part of A' Y T, from the users' rows of Y: one row an item that a user of the cell met."""
    met = _cell(users, items).T.tocsr()
    some = np.flatnonzero(met.getnnz(axis=1))
    takers = (met[some] @ matrix(users["vector"], np.float64)) @ turn
    return _table("item_id", items["item_id"].take(pa.array(some)), takers)


def _cell(users: pa.Table, items: pa.Table) -> sp.csr_matrix:
    """The cell's part of A: [users, items], in the order of the tables' rows."""
    ids, weights = users["items"].combine_chunks(), users["weights"].combine_chunks()
    column = positions_in(ids.flatten(), items["item_id"].combine_chunks())
    row = np.repeat(np.arange(len(ids)), np.diff(ids.offsets.to_numpy()))
    value = weights.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    here = column >= 0
    return sp.csr_matrix((value[here], (row[here], column[here])), shape=(users.num_rows, items.num_rows))


def _summed(parts: pa.Table, key: str) -> pa.Table:
    """One row a key, the sum of its vectors."""
    ids = parts[key].combine_chunks().dictionary_encode()
    place, each = ids.indices.to_numpy(), np.arange(parts.num_rows)
    belongs = sp.csr_matrix((np.ones(len(each)), (place, each)), shape=(len(ids.dictionary), len(each)))
    return _table(key, ids.dictionary, belongs @ matrix(parts["vector"], np.float64))


def _table(key: str, ids: pa.Array | pa.ChunkedArray, vectors: np.ndarray) -> pa.Table:
    return pa.Table.from_arrays([ids, list_column(vectors, np.float64)], schema=arrow_schema(_fields(key)))

"""Factors of users from what they met and the factors of the items: one half-step of ALS, for any set of users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import list_column, matrix, positions_in
from recsys_spark.kernels.gram import gram, rounded_gram
from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out

SOLVED = {"user_id": "string", "factors": "array<float>"}
PARTS = {"user_id": "string", "n_rated": "int", "normal": "array<double>", "right": "array<double>"}
ENTRIES_AT_ONCE = 1 << 22
"""Numbers of item factors that are gathered at a time: 32 MB."""
PARTS_BYTES = 1 << 27
"""Partial normal equations of a task, which are held a few times over while they are added up and solved."""


def fold_in(
    ratings: DataFrame, item_factors: DataFrame, *, rank: int, regularization: float, alpha: float, grid: Grid
) -> DataFrame:
    """user_id, factors array<float>[rank]: the factors that ALS would solve for these users with fixed item factors.

    A user with ratings r of items with factors y gets the solution x of
    (Y'Y + Σ alpha · r · y y' + regularization · n · I) x = Σ (1 + alpha · r) y
    (Hu, Koren and Volinsky 2008, equation 4, with n ratings scaling the regularisation as in Spark). Items without
    factors do not count; users who met no other item have no row. Runs a Spark job.

    Args:
        ratings: user_id, item_id, rating (above 0).
        item_factors: the table.
        rank: length of the factors.
        regularization: lambda, per rating.
        alpha: growth of confidence with the rating.
        grid: buckets of users and shards of items; from :func:`bounded` where users or items are many.
    """
    entry = F.struct("item_id", F.col("rating").cast("float").alias("rating"))
    listed = ratings.groupBy("user_id").agg(F.array_sort(F.collect_list(entry)).alias("met"))
    users = listed.select("user_id", F.col("met.item_id").alias("items"), F.col("met.rating").alias("ratings"))
    known = rounded_gram(gram(item_factors, "factors", rank))
    if grid.item_shards == 1:
        work = partial(_solved_cell, gram=known, regularization=regularization, alpha=alpha)
        return lay_out(users, item_factors, grid, work, SOLVED)
    parts = lay_out(users, item_factors, grid, partial(_normal_cell, rank=rank, alpha=alpha), PARTS)
    bucket = F.pmod(F.xxhash64("user_id"), F.lit(grid.user_buckets * grid.item_shards))
    solve = partial(_solved_parts, gram=known, regularization=regularization)
    schema = ", ".join(f"{name} {kind}" for name, kind in SOLVED.items())
    return parts.groupBy(bucket.alias("bucket")).applyInArrow(solve, schema)


def bounded(grid: Grid, n_users: int, rank: int) -> Grid:
    """The grid with buckets of users so small that their partial normal equations fit into PARTS_BYTES, on average.

    Beyond one shard of items each user has one matrix [rank, rank] a shard. With one shard there are no parts.

    >>> bounded(Grid(user_buckets=40, item_shards=3), n_users=1_000_000, rank=128)
    Grid(user_buckets=985, item_shards=3)
    """
    if grid.item_shards == 1:
        return grid
    users = max(PARTS_BYTES // (8 * rank * (rank + 1)), 1)
    return replace(grid, user_buckets=max(grid.user_buckets, -(-n_users // users)))


def solved(normal: np.ndarray, right: np.ndarray, n_rated: np.ndarray, gram: np.ndarray, ridge: float) -> np.ndarray:
    """Solutions [users, rank] of the users' normal equations.

    Args:
        normal: [users, rank, rank], Σ alpha · r · y y'; overwritten, since a copy costs as much as the solution.
        right: [users, rank], Σ (1 + alpha · r) y.
        n_rated: [users], ratings of each user.
        gram: [rank, rank], Y'Y.
        ridge: lambda, per rating.
    """
    normal += gram
    diagonal = np.arange(len(gram))
    normal[:, diagonal, diagonal] += (ridge * n_rated)[:, None]
    return np.linalg.solve(normal, right[:, :, None])[:, :, 0]


def _solved_cell(users: pa.Table, items: pa.Table, gram: np.ndarray, regularization: float, alpha: float) -> pa.Table:
    """A bucket of users against all items."""
    found = [arrow_schema(SOLVED).empty_table()]
    for names, normal, right, n_rated in _normals(users, items, len(gram), alpha):
        factors = solved(normal, right, n_rated, gram, regularization)
        found.append(pa.Table.from_arrays([names, list_column(factors)], schema=arrow_schema(SOLVED)))
    return pa.concat_tables(found)


def _normal_cell(users: pa.Table, items: pa.Table, rank: int, alpha: float) -> pa.Table:
    """A bucket of users against a shard of items: what the shard adds to their normal equations."""
    found = [arrow_schema(PARTS).empty_table()]
    for names, normal, right, n_rated in _normals(users, items, rank, alpha):
        sums = [list_column(part.reshape(len(names), -1), np.float64) for part in (normal, right)]
        columns = [names, pa.array(n_rated, pa.int32()), *sums]
        found.append(pa.Table.from_arrays(columns, schema=arrow_schema(PARTS)))
    return pa.concat_tables(found)


def _solved_parts(parts: pa.Table, gram: np.ndarray, regularization: float) -> pa.Table:
    """Users whose normal equations come in parts."""
    ids = parts["user_id"].combine_chunks().dictionary_encode()
    place, size = ids.indices.to_numpy(), len(ids.dictionary)
    normal, right, n_rated = np.zeros((size, *gram.shape)), np.zeros((size, len(gram))), np.zeros(size)
    np.add.at(normal, place, matrix(parts["normal"], np.float64).reshape(-1, *gram.shape))
    np.add.at(right, place, matrix(parts["right"], np.float64).reshape(-1, len(gram)))
    np.add.at(n_rated, place, parts["n_rated"].to_numpy())
    factors = solved(normal, right, n_rated, gram, regularization)
    return pa.Table.from_arrays([ids.dictionary, list_column(factors)], schema=arrow_schema(SOLVED))


def _normals(
    users: pa.Table, items: pa.Table, rank: int, alpha: float
) -> Iterator[tuple[pa.Array, np.ndarray, np.ndarray, np.ndarray]]:
    """Ids, Σ alpha · r · y y', Σ (1 + alpha · r) y and the number of ratings, of some users at a time.

    Users with equally many ratings go together, so that each of them is one product of a batch.
    """
    factors = matrix(items["factors"], np.float64).reshape(-1, rank)
    ids = users["items"].combine_chunks()
    column = positions_in(ids.flatten(), items["item_id"].combine_chunks())
    owner = np.repeat(np.arange(len(ids)), np.diff(ids.offsets.to_numpy()))
    rating = users["ratings"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    known = column >= 0
    owner, column, weight = owner[known], column[known], alpha * rating[known]
    count = np.bincount(owner, minlength=len(ids))
    start = np.concatenate([[0], np.cumsum(count)])
    names = users["user_id"].combine_chunks()
    for length in np.unique(count[count > 0]):
        alike = np.flatnonzero(count == length)
        step = max(1, ENTRIES_AT_ONCE // (int(length) * rank + rank * rank))
        for first in range(0, len(alike), step):
            some = alike[first : first + step]
            entry = start[some][:, None] + np.arange(length)
            theirs, weighed = factors[column[entry]], weight[entry]
            normal = np.matmul((theirs * weighed[:, :, None]).transpose(0, 2, 1), theirs)
            right = ((1 + weighed)[:, None, :] @ theirs)[:, 0, :]
            yield names.take(pa.array(some)), normal, right, np.full(len(some), length)

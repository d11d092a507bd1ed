"""Factors of users from what they met and the factors of the items: one half-step of ALS, for any set of users."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import list_column, matrix, positions_in
from recsys_spark.kernels.gram import gram, rounded_gram
from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out

SOLVED = {"user_id": "string", "factors": "array<float>"}
ENTRIES_AT_ONCE = 1 << 22
"""Numbers of item factors that are gathered at a time: 32 MB."""
FACTORS_BYTES = 1 << 28
"""Item factors of a task, on average at most; Arrow holds them twice at times."""


def fold_in(
    ratings: DataFrame,
    item_factors: DataFrame,
    *,
    rank: int,
    regularization: float,
    alpha: float,
    buckets: int,
    only_met: bool = False,
) -> DataFrame:
    """user_id, factors array<float>[rank]: the factors that ALS would solve for these users with fixed item factors.

    A user with ratings r of items with factors y gets the solution x of
    (Y'Y + Σ alpha · r · y y' + regularization · n · I) x = Σ (1 + alpha · r) y
    (Hu, Koren and Volinsky 2008, equation 4, with n ratings scaling the regularisation as in Spark). Items without
    factors do not count; users who met no other item have no row. Runs a Spark job.

    A user's equations are never made in parts: a part is rank x rank numbers, more than the factors of what most users
    met.

    Args:
        ratings: user_id, item_id, rating (above 0).
        item_factors: the table.
        rank: length of the factors.
        regularization: lambda, per rating.
        alpha: growth of confidence with the rating.
        buckets: parts that the users are solved in; from :func:`traffic`, as is the next.
        only_met: whether a bucket gets the factors that its users met, which are looked up first, or simply all.
    """
    entry = F.struct("item_id", F.col("rating").cast("float").alias("rating"))
    listed = ratings.groupBy("user_id").agg(F.array_sort(F.collect_list(entry)).alias("met"))
    users = listed.select("user_id", F.col("met.item_id").alias("items"), F.col("met.rating").alias("ratings"))
    known = rounded_gram(gram(item_factors, "factors", rank))
    work = partial(_solved_bucket, gram=known, regularization=regularization, alpha=alpha)
    if not only_met:
        return lay_out(users, item_factors, Grid(buckets, 1), work, SOLVED)
    pairs = ratings.select(_bucket(buckets), "item_id").distinct()
    near = pairs.join(item_factors.select("item_id", "factors"), "item_id", "inner")
    schema = ", ".join(f"{name} {kind}" for name, kind in SOLVED.items())
    sides = users.select(_bucket(buckets), "*").groupBy("bucket").cogroup(near.groupBy("bucket"))
    return sides.applyInArrow(work, schema)


def traffic(buckets: int, n_items: int, n_ratings: int, rank: int) -> tuple[int, bool]:
    """How many buckets of users to fold in, and whether each gets only the factors of items that its users met.

    Where all items are too many for a task, there are so many buckets that what is met in one fits, on average. No more
    factors travel than there are ratings, nor than all items to each bucket, unless all of these fit one task.

    >>> traffic(buckets=40, n_items=100_000, n_ratings=100_000_000, rank=64)
    (40, False)
    >>> traffic(buckets=40, n_items=10_000_000, n_ratings=1_000_000_000, rank=64)
    (954, True)
    """
    of_task = FACTORS_BYTES // (4 * rank)
    if n_items > of_task:
        buckets = max(buckets, -(-n_ratings // of_task))
    return buckets, n_items * buckets > max(n_ratings, of_task)


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


def _bucket(buckets: int) -> Column:
    return F.pmod(F.xxhash64("user_id"), F.lit(buckets)).alias("bucket")


def _solved_bucket(users: pa.Table, items: pa.Table, gram: np.ndarray, regularization: float, alpha: float) -> pa.Table:
    """A bucket of users and all items that they met."""
    found = [arrow_schema(SOLVED).empty_table()]
    if items.num_rows == 0:
        return found[0]
    for names, normal, right, n_rated in _normals(users, items, len(gram), alpha):
        factors = solved(normal, right, n_rated, gram, regularization)
        found.append(pa.Table.from_arrays([names, list_column(factors)], schema=arrow_schema(SOLVED)))
    return pa.concat_tables(found)


def _normals(
    users: pa.Table, items: pa.Table, rank: int, alpha: float
) -> Iterator[tuple[pa.Array, np.ndarray, np.ndarray, np.ndarray]]:
    """Ids, Σ alpha · r · y y', Σ (1 + alpha · r) y and the number of ratings, of some users at a time.

    Users with equally many ratings go together, so that each of them is one product of a batch.
    """
    factors = matrix(items["factors"]).reshape(-1, rank)
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
            theirs, weighed = factors[column[entry]].astype(np.float64), weight[entry]
            normal = np.matmul((theirs * weighed[:, :, None]).transpose(0, 2, 1), theirs)
            right = ((1 + weighed)[:, None, :] @ theirs)[:, 0, :]
            yield names.take(pa.array(some)), normal, right, np.full(len(some), length)

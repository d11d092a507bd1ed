"""What goes with what a user met: items that are often met together, and the sum of what they are to a user's items.

A user has some 30 items with 50 neighbours each: a score is the sum of many terms, and the largest of them says why.
They meet in a cell of users and items and are added up there; no term travels.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.blocks.sparse import as_boosts, best, boosts_of_lists, strongest
from recsys_spark.kernels.arrow import lists_of_rows, positions_in, ranked
from recsys_spark.kernels.best import largest
from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out

TYPICAL = 0.02
"""A sum of similarities that is neither little nor much."""
TINY = 1e-12
FOUND = {
    "user_id": "string",
    "item_ids": "array<string>",
    "scores": "array<double>",
    "because_item_ids": "array<string>",
}
"""One row a user, best first."""
USERS_AT_ONCE = 64
"""Users whose sums lie side by side, one for each candidate that any of them has: of few users these are few."""


def similarities(interactions: DataFrame, *, neighbours: int, history: int, shrinkage: float) -> DataFrame:
    """item_id, other_id, similarity: the ``neighbours`` items most often met together with each item.

    Similarity is the share of the item's users who met the other one too, c / (n + shrinkage) where c of its n users
    did: the conditional probability of Deshpande and Karypis 2004, held back where n is small. A user counts with the
    ``history`` strongest items, so the work grows with users, not with the square of the longest history.
    """
    kept = strongest(interactions, history).select("user_id", "item_id")
    totals = kept.groupBy("item_id").agg(F.count("*").alias("n"))
    pairs = (
        kept.join(kept.select("user_id", F.col("item_id").alias("other_id")), on="user_id", how="inner")
        .where("item_id != other_id")
        .groupBy("item_id", "other_id")
        .agg(F.count("*").alias("c"))
    )
    valued = pairs.join(totals, on="item_id", how="inner").select(
        "item_id", "other_id", (F.col("c") / (F.col("n") + shrinkage)).alias("value")
    )
    return best(valued, ("item_id",), neighbours, tie="other_id").withColumnRenamed("value", "similarity")


def neighbour_boosts(
    interactions: DataFrame, similar: DataFrame, *, per_user: int, history: int, grid: Grid
) -> DataFrame:
    """BOOSTS: log(1 + sum / TYPICAL) of an item's similarities to a user's strongest items; named is what adds most.

    An item of the history counts in proportion to the strongest one: who came long ago has neighbours like anyone else.

    Candidates are the neighbours of the history's items. The other way round, items that have one of the history among
    their own neighbours, a popular item would bring in most of the catalogue.

    Args:
        interactions: the table, of the users to describe.
        similar: from :func:`similarities`.
        per_user: items of a user at most.
        history: strongest items of a user that are looked at.
        grid: buckets of users and shards of candidates.
    """
    kept = strongest(interactions, history)
    relative = F.col("value") / F.greatest(F.max("value").over(Window.partitionBy("user_id")), F.lit(TINY))
    met = kept.select("user_id", F.col("item_id").alias("met_id"), relative.alias("weight"))
    near = similar.select(F.col("other_id").alias("item_id"), F.col("item_id").alias("met_id"), "similarity")
    found = lay_out(met, near, grid, partial(_best_of_cell, per_user=per_user), FOUND)
    if grid.item_shards == 1:
        return boosts_of_lists(found, "neighbours")
    places = F.inline(F.arrays_zip("item_ids", "scores", "because_item_ids"))
    each = found.select("user_id", places.alias("item_id", "value", "because_item_id"))
    return as_boosts(each, "neighbours", per_user)


class Terms(NamedTuple):
    """What single items of users' histories add to candidates: one term each."""

    rows: np.ndarray
    """Of users."""
    columns: np.ndarray
    """Of candidates."""
    through: np.ndarray
    """Items of the history."""
    values: np.ndarray


def _best_of_cell(met: pa.Table, near: pa.Table, per_user: int) -> pa.Table:
    """FOUND of one bucket of users, each a row an item met, among one shard of candidates, each a row a neighbour."""
    # Ids are coded in their order, so that ties go, and terms add up, the same way in whatever cell they are.
    rows, users = ranked(met["user_id"])
    through, names = ranked(met["met_id"])
    of_name = positions_in(near["met_id"], names)
    near, of_name = near.filter(pa.array(of_name >= 0)), of_name[of_name >= 0]
    columns, items = ranked(near["item_id"])
    weights = sp.csr_matrix((met["weight"].to_numpy(), (rows, through)), (len(users), len(names)))
    similar = sp.csr_matrix((near["similarity"].to_numpy(), (of_name, columns)), (len(names), len(items)))
    found = [arrow_schema(FOUND).empty_table()]
    for start in range(0, len(users), USERS_AT_ONCE):
        tile = weights[start : start + USERS_AT_ONCE]
        rows, columns, scores, because = _best(_terms(tile, similar), tile.shape[0], per_user)
        each = items.take(pa.array(columns)), pa.array(scores), names.take(pa.array(because))
        told, lists = lists_of_rows(rows, each)
        who = users.take(pa.array(told + start))
        found.append(pa.Table.from_arrays([who, *lists], schema=arrow_schema(FOUND)))
    return pa.concat_tables(found)


def _terms(weights: sp.csr_matrix, similar: sp.csr_matrix) -> Terms:
    """All products of a user's weight for an item met [users, met] with a neighbour's similarity to it [met, items]."""
    counts = np.diff(similar.indptr)[weights.indices]
    # Each item met brings its row of neighbours: the positions from where that row starts.
    begun = np.repeat(similar.indptr[weights.indices] - np.cumsum(counts) + counts, counts)
    places = begun + np.arange(len(begun))
    users = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    return Terms(
        np.repeat(users, counts),
        similar.indices[places].astype(np.int64),
        np.repeat(weights.indices.astype(np.int64), counts),
        np.repeat(weights.data, counts) * similar.data[places],
    )


def _best(terms: Terms, n_users: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and scores of each user's items of largest sum above 0, best first, and what adds most to each."""
    is_candidate = np.bincount(terms.columns) > 0
    candidates, column = np.flatnonzero(is_candidate), np.cumsum(is_candidate) - 1
    shape = n_users, len(candidates)
    pairs = terms.rows * len(candidates) + column[terms.columns]
    sums = np.bincount(pairs, terms.values, n_users * len(candidates)).reshape(shape)
    rows, columns = largest(np.where(sums > 0, sums, -np.inf).astype(np.float32), count)
    scores = np.round(np.log1p(sums[rows, columns] / TYPICAL), 6)
    order = np.lexsort((columns, -scores, rows))
    rows, columns, scores = rows[order], columns[order], scores[order]
    place = np.full(shape, -1)
    place[rows, columns] = np.arange(len(rows))
    at = place.ravel()[pairs]
    at, through, values = at[at >= 0], terms.through[at >= 0], terms.values[at >= 0]
    most, because = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
    np.maximum.at(most, at, values)
    largest_term = values == most[at]
    np.maximum.at(because, at[largest_term], through[largest_term])
    return rows, candidates[columns], scores, because

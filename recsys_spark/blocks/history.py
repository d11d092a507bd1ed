"""What a user's history says of other items: sums of what each item met adds to its neighbours.

A user has some 30 items with 50 neighbours each: a score is the sum of many terms, and the largest of them says why.
They meet in a cell of users and items and are added up there; no term travels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.blocks.sparse import best_of_shards, boosts_of_lists, strongest
from recsys_spark.kernels.arrow import lists_of_rows, positions_in, ranked
from recsys_spark.kernels.best import largest
from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out

TYPICAL: Mapping[str, float] = {"neighbours": 0.02}
"""A sum that is neither little nor much, of scorers whose sums count by their logarithm."""
FOUND = {
    "scorer": "string",
    "user_id": "string",
    "item_ids": "array<string>",
    "scores": "array<double>",
    "because_item_ids": "array<string>",
}
"""One row a scorer and user, best first."""
USERS_AT_ONCE = 64
"""Users whose sums lie side by side, one for each candidate that any of them has: of few users these are few."""


def history_boosts(
    interactions: DataFrame, neighbours: DataFrame, *, per_user: int, history: int, grid: Grid
) -> DataFrame:
    """BOOSTS of each scorer of ``neighbours``: the sum of what a user's strongest items add to others.

    It counts as log(1 + sum / typical) of a scorer in TYPICAL, else as it is; what adds most is named.
    An item of the history counts in proportion to the strongest one: who came long ago has neighbours like anyone else.

    Candidates are the neighbours of the history's items. The other way round, items that have one of the history among
    their own neighbours, a popular item would bring in most of the catalogue.

    Args:
        interactions: the table, of the users to describe.
        neighbours: the table item_neighbours.
        per_user: items of a user and scorer at most.
        history: strongest items of a user that are looked at.
        grid: buckets of users and shards of candidates.
    """
    kept = strongest(interactions, history)
    most = F.max("value").over(Window.partitionBy("user_id"))
    relative = F.when(most > 0, F.col("value") / most).otherwise(0.0)
    met = kept.select("user_id", F.col("item_id").alias("met_id"), relative.alias("weight"))
    near = neighbours.select("scorer", F.col("other_id").alias("item_id"), F.col("item_id").alias("met_id"), "value")
    found = lay_out(met, near, grid, partial(_best_of_cell, per_user=per_user), FOUND)
    if grid.item_shards > 1:
        found = best_of_shards(found, ("scorer", "user_id"), per_user)
    return boosts_of_lists(found)


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
    by, scorers = ranked(near["scorer"])
    values = near["value"].to_numpy()
    weights = sp.csr_matrix((met["weight"].to_numpy(), (rows, through)), (len(users), len(names)))
    found = [arrow_schema(FOUND).empty_table()]
    for code, scorer in enumerate(scorers.to_pylist()):
        of = by == code
        similar = sp.csr_matrix((values[of], (of_name[of], columns[of])), (len(names), len(items)))
        for start in range(0, len(users), USERS_AT_ONCE):
            tile = weights[start : start + USERS_AT_ONCE]
            of_tile, chosen, scores, because = _best(
                _terms(tile, similar), tile.shape[0], per_user, TYPICAL.get(scorer)
            )
            each = items.take(pa.array(chosen)), pa.array(scores), names.take(pa.array(because))
            told, lists = lists_of_rows(of_tile, each)
            who = [pa.array([scorer] * len(told), pa.string()), users.take(pa.array(told + start))]
            found.append(pa.Table.from_arrays([*who, *lists], schema=arrow_schema(FOUND)))
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


def _best(
    terms: Terms, n_users: int, count: int, typical: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and scores of each user's items of largest sum above 0, best first, and what adds most to each."""
    is_candidate = np.bincount(terms.columns) > 0
    candidates, column = np.flatnonzero(is_candidate), np.cumsum(is_candidate) - 1
    shape = n_users, len(candidates)
    pairs = terms.rows * len(candidates) + column[terms.columns]
    sums = np.bincount(pairs, terms.values, n_users * len(candidates)).reshape(shape)
    rows, columns = largest(np.where(sums > 0, sums, -np.inf).astype(np.float32), count)
    scores = sums[rows, columns]
    scores = np.round(np.log1p(scores / typical) if typical else scores, 6)
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

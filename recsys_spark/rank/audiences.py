"""The users to show a new item to: the search of topn with users and items in each other's place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out
from recsys_spark.kernels.scoring import Mixture, Pairs, Scorers, Shelf
from recsys_spark.kernels.tiles import Chosen
from recsys_spark.kernels.tiles import top_n as best_of_tile
from recsys_spark.rank.cells import ItemCell, ScorerNames, UserCell, in_order, taken
from recsys_spark.rank.pairs import sparse_pairs
from recsys_spark.rank.topn import best_of_shards, places, probability
from recsys_spark.rank.variants import Variant

FOUND = {"item_id": "string", "user_ids": "array<string>", "logits": "array<double>", "routes": "array<string>"}
"""One row an audience, best first."""
PLACES_AT_ONCE = 409_600
"""Places of audiences that a task holds with all that the search says of them: below 100 MB. Their ids are one column
of strings, which Arrow bounds at 2 GiB."""


def audiences(
    user_blocks: DataFrame,
    item_blocks: DataFrame,
    boosts: DataFrame,
    layout: dict[str, tuple[int, int]],
    variant: Variant,
    length: int,
    grid: Grid,
) -> DataFrame:
    """The table item_audiences: the ``length`` users of each new item with the highest probability.

    Ties go to the higher uncalibrated score, then to the lower user_id.

    Args:
        user_blocks: the table.
        item_blocks: the items that may be recommended; those whose item_group is new are served.
        boosts: the table.
        layout: block to (start, width).
        variant: the weighting.
        length: users for each item.
        grid: buckets of new items and shards of users, from :meth:`Grid.across`.
    """
    names = ScorerNames.of(layout, variant.scorers())
    plan = Plan(names.spans, len(names.sparse), variant.mixture(names.all), length)
    new = item_blocks.where("item_group = 'new'").select("item_id", "item_group", "vector")
    users = user_blocks.select("user_id", "route", "vector")
    pairs = sparse_pairs(boosts.where("item_group <> 'established'"), None, names.sparse)
    work, keys = partial(audiences_of_cell, plan), ("item_id", "user_id")
    found = lay_out(new, users, grid, work, FOUND, keys, pairs)
    placed = places(found, {"user_ids": "user_id", "logits": "logit", "routes": "route"})
    if grid.item_shards > 1:
        placed = best_of_shards(placed, ("item_id",), "user_id", F.lit(length))
    return placed.withColumn("score", probability()).select(*table("item_audiences").columns)


@dataclass(frozen=True)
class Plan:
    """What a task needs besides its users and items."""

    spans: tuple[tuple[int, int], ...]
    n_sparse: int
    mixture: Mixture
    length: int


def audiences_of_cell(plan: Plan, items: pa.Table, users: pa.Table, pairs: pa.Table) -> pa.Table:
    """The rows FOUND of one bucket of new items against one shard of users."""
    users, items = in_order(users, "user_id"), in_order(items, "item_id")
    item_cell = ItemCell.of(items)
    user_cell = UserCell.of(users, pairs, item_cell.ids, plan.spans, plan.n_sparse)
    scorers, routes = _swapped(user_cell.scorers), users["route"].combine_chunks()
    everyone = Shelf(np.arange(users.num_rows), plan.length)
    at_once = max(PLACES_AT_ONCE // min(plan.length, users.num_rows), 1)
    found = []
    for start in range(0, items.num_rows, at_once):
        stop = start + at_once
        asked = item_cell.side.rows(start, stop), user_cell.side, scorers.rows(start, stop)
        best = best_of_tile(*asked, plan.mixture.transposed(), [everyone], _NONE)
        found.append(_as_table(best, item_cell.ids[start:stop], user_cell.ids, routes))
    return pa.concat_tables(found)


def _as_table(best: Chosen, item_ids: pa.Array, user_ids: pa.Array, routes: pa.Array) -> pa.Table:
    first = np.flatnonzero(best.rank == 1)
    ends = pa.array(np.append(first, len(best.rank)), pa.int32())
    each = taken(user_ids, best.item), pa.array(best.logit), taken(routes, best.item)
    columns = [taken(item_ids, best.user[first]), *[pa.ListArray.from_arrays(ends, values) for values in each]]
    return pa.Table.from_arrays(columns, schema=arrow_schema(FOUND))


def _swapped(scorers: Scorers) -> Scorers:
    return Scorers(scorers.spans, tuple(Pairs.of(pairs.items, pairs.users, pairs.values) for pairs in scorers.sparse))


_NONE = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))

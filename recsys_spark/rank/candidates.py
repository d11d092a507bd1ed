"""Examples for learning the weights: hidden pairs of simulated users among the items that compete with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.kernels.alike import Alike
from recsys_spark.kernels.best import largest
from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out
from recsys_spark.kernels.keep import Keep
from recsys_spark.kernels.scoring import Pairs, Side
from recsys_spark.kernels.tiles import tile_rows
from recsys_spark.rank.cells import ItemCell, ScorerNames, UserCell, in_order, list_pairs, lists, taken
from recsys_spark.rank.pairs import sparse_pairs

KINDS = ("half", "route", "item_group")
"""Of each kind so many users are drawn."""
MAX_HIDDEN = 1_000
"""Hidden items of a user and group that are candidates; the longest list sets the width of everyone's in Examples."""
FOUND = {
    "half": "string",
    "route": "string",
    "item_group": "string",
    "user_id": "string",
    "item_id": "string",
    "label": "boolean",
    "in_window": "boolean",
    "scores": "array<float>",
    "sample_weight": "double",
}


@dataclass(frozen=True)
class Draw:
    """How many users and items are drawn, and the seed of the draw."""

    users: int
    """Users for each half of the truth, route and item group."""
    top: int = 50
    """Best items by each scorer alone."""
    others: int = 100
    """Items at random among the rest."""
    seed: int = 0


@dataclass(frozen=True)
class Asked:
    """The drawn users with all that a search for their candidates needs."""

    users: DataFrame
    """half, route, item_group, user_id, what _positives says of the hidden items, vector and hash."""
    pairs: DataFrame
    """Their boosts and excluded items, as sparse_pairs has them."""


def candidates(asked: Asked, items: DataFrame, names: ScorerNames, draw: Draw, grid: Grid) -> DataFrame:
    """Users with their hidden items, each scorer's best items, and some items at random.

    An item that stands for others of its kind carries their number as its weight. With several shards each gives its
    part of the best, so the union may miss a few of the overall best of one scorer.

    Args:
        asked: what asked_users returned.
        items: item_id, item_group and vector of the items that may be recommended.
        names: scorers, in the order of the result's scores.
        draw: sizes and seed, the ones of asked_users.
        grid: buckets and shards.

    Returns:
        half, route, item_group, user_id, item_id, label (hidden pair), in_window (of a hidden pair), scores (unscaled,
        in the order of names), sample_weight.
    """
    hashed = items.select("item_id", "item_group", "vector", item_hash())
    plan = _Plan(names.spans, len(names.sparse), -(-draw.top // grid.item_shards), -(-draw.others // grid.item_shards))
    return lay_out(asked.users, hashed, grid, partial(_candidates_of_cell, plan), FOUND, lists=asked.pairs)


def asked_users(
    user_blocks: DataFrame,
    item_blocks: DataFrame,
    boosts: DataFrame,
    names: ScorerNames,
    truth: DataFrame,
    excluded: DataFrame | None,
    draw: Draw,
    keep: Keep,
) -> Asked:
    """Draw users of each kind.

    Args:
        user_blocks: the table of the backtest fold.
        item_blocks: item_id and item_group of the items that may be recommended.
        boosts: the table.
        names: scorers.
        truth: the table.
        excluded: pairs (user_id, item_id) that are no candidates, or None.
        draw: sizes and seed.
        keep: holds the drawn users, who are read twice.
    """
    drawn = _drawn(_positives(user_blocks, item_blocks, truth, excluded, draw.seed), draw)
    hashed = F.xxhash64("user_id", F.lit(draw.seed)).alias("hash")
    users = keep(drawn.join(user_blocks.select("user_id", "vector"), "user_id", "inner").select("*", hashed))
    theirs = users.select("user_id").distinct()
    return Asked(users, sparse_pairs(boosts, excluded, names.sparse).join(theirs, "user_id", "left_semi"))


def item_hash() -> Column:
    """The column hash, which draws items at random together with that of the users."""
    return F.xxhash64("item_id").alias("hash")


def candidates_here(users: pa.Table, pairs: pa.Table, items: pa.Table, names: ScorerNames, draw: Draw) -> pa.Table:
    """The candidates of users and pairs from :func:`asked_users` among some items (with hash), all collected."""
    plan = _Plan(names.spans, len(names.sparse), draw.top, draw.others)
    return _candidates_of_cell(plan, users, items, pairs)


def _positives(
    user_blocks: DataFrame, item_blocks: DataFrame, truth: DataFrame, excluded: DataFrame | None, seed: int
) -> DataFrame:
    """KINDS, user_id with the hidden items of that group as aligned arrays.

    hidden_drawn says which of them are candidates; the others are neither positives nor negatives.
    """
    hidden = F.struct(F.xxhash64("user_id", "item_id", F.lit(seed)).alias("hash"), "item_id", "in_window")
    learn = truth.groupBy("half", "user_id", "item_id").agg(F.max("in_window").alias("in_window"))
    if excluded is not None:
        learn = learn.join(excluded, ["user_id", "item_id"], "left_anti")
    grouped = (
        learn.join(item_blocks.select("item_id", "item_group"), "item_id", "inner")
        .join(user_blocks.select("user_id", "route"), "user_id", "inner")
        .groupBy(*KINDS, "user_id")
        .agg(F.sort_array(F.collect_list(hidden)).alias("hidden"))
    )
    arrays = {
        "hidden_items": F.col("hidden.item_id"),
        "hidden_in_window": F.col("hidden.in_window"),
        "hidden_drawn": F.transform("hidden", lambda _, place: place < MAX_HIDDEN),
    }
    return grouped.select(*KINDS, "user_id", *[array.alias(name) for name, array in arrays.items()])


def _drawn(users: DataFrame, draw: Draw) -> DataFrame:
    """A seeded draw of users of each kind; Spark keeps only that many of each partition before it shuffles."""
    order = Window.partitionBy(*KINDS).orderBy(F.xxhash64("user_id", F.lit(draw.seed)), "user_id")
    return users.withColumn("place", F.row_number().over(order)).where(F.col("place") <= draw.users).drop("place")


@dataclass(frozen=True)
class _Plan:
    spans: tuple[tuple[int, int], ...]
    n_sparse: int
    top: int
    others: int


def _candidates_of_cell(plan: _Plan, users: pa.Table, items: pa.Table, pairs: pa.Table) -> pa.Table:
    """One bucket of drawn users against one shard of items: each user meets the items of its row's group."""
    found = [arrow_schema(FOUND).empty_table()]
    for group in users["item_group"].unique().to_pylist():
        mine = in_order(users.filter(pc.equal(users["item_group"], group)), "user_id")
        theirs = in_order(items.filter(pc.equal(items["item_group"], group)), "item_id")
        if theirs.num_rows:
            found.append(_candidates_of_group(plan, mine, theirs, pairs))
    return pa.concat_tables(found)


def _candidates_of_group(plan: _Plan, users: pa.Table, items: pa.Table, pairs: pa.Table) -> pa.Table:
    item_cell = ItemCell.of(items)
    user_cell = UserCell.of(users, pairs, item_cell.ids, plan.spans, plan.n_sparse)
    hidden = list_pairs(users["hidden_items"], item_cell.ids, users["hidden_in_window"])
    told = list_pairs(users["hidden_items"], item_cell.ids, users["hidden_drawn"]).values > 0
    positives, barred = hidden.where(told), hidden.where(~told)
    user_hash = users["hash"].to_numpy().view(np.uint64)
    item_hash = items["hash"].to_numpy().view(np.uint64)
    vectors = [item_cell.side.vectors[:, start : start + width] for start, width in plan.spans]
    dense = [_Dense(part, Alike.of(part)) for part in vectors]
    # A few matrices of users and items at once.
    step = tile_rows(items.num_rows * 4, 1)
    tables = []
    for start in range(0, users.num_rows, step):
        stop = min(start + step, users.num_rows)
        keys = _random_keys(user_hash[start:stop], item_hash)
        theirs = positives.rows(start, stop), barred.rows(start, stop)
        drawn = _tile(user_cell.rows(start, stop), item_cell.side, dense, *theirs, keys, plan)
        tables.append(_as_table(drawn, users.slice(start, stop - start), item_cell.ids))
    return pa.concat_tables(tables)


@dataclass(frozen=True)
class _Dense:
    """What a dense scorer knows of the items."""

    vectors: np.ndarray
    """[items, width]"""
    alike: Alike

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Scores [users, items] float32, equal where items' vectors are; a product alone may differ in last bits."""
        if not self.alike.any:
            return users @ self.vectors.T
        return (users @ self.vectors[self.alike.first].T).take(self.alike.group_of, axis=1)


@dataclass(frozen=True)
class _Drawn:
    users: np.ndarray
    items: np.ndarray
    label: np.ndarray
    in_window: np.ndarray
    scores: np.ndarray
    weight: np.ndarray


def _tile(
    users: UserCell,
    items: Side,
    dense: Sequence[_Dense],
    hidden: Pairs,
    barred: Pairs,
    keys: np.ndarray,
    plan: _Plan,
) -> _Drawn:
    """Candidates of some users; ``keys`` [users, items] order the items at random, and barred pairs are none."""
    free = np.ones(keys.shape, bool)
    for pairs in (users.excluded, barred):
        free[pairs.users, pairs.items] = False
    label = np.zeros(keys.shape, bool)
    label[hidden.users, hidden.items] = True
    chosen = label & free
    for (start, width), scorer in zip(users.scorers.spans, dense, strict=True):
        scores = scorer.scores(users.side.vectors[:, start : start + width])
        chosen |= _best(scores, free, plan.top)
    for pairs in users.scorers.sparse:
        chosen[pairs.where(free[pairs.users, pairs.items]).largest(plan.top)] = True
    rest = free & ~chosen
    rows, columns = largest(np.where(rest, keys, -np.inf), plan.others)
    chosen[rows, columns] = True
    drawn = np.bincount(rows, minlength=len(keys))
    stands_for = rest.sum(axis=1) / np.maximum(drawn, 1)
    rows, columns = np.nonzero(chosen)
    weight = np.where(rest[rows, columns], stands_for[rows], 1.0)
    in_window = hidden.at(rows, columns, keys.shape[1]) > 0
    scores = users.scorers.scores(users.side, items, rows, columns)
    return _Drawn(rows, columns, label[rows, columns], in_window, scores, weight)


def _best(scores: np.ndarray, free: np.ndarray, count: int) -> np.ndarray:
    """Where each row's ``count`` largest scores of free items are, ties to the lower column: boolean [users, items].

    The items that a tie would bring to the top belong to them: without those, a scorer to which all items are alike
    would be judged by an order among candidates that hold far more positives than the catalogue does.
    """
    found = np.zeros(scores.shape, bool)
    alike = scores.max(axis=1) == scores.min(axis=1)
    found[alike] = free[alike] & (np.cumsum(free[alike], axis=1) <= count)
    told = np.flatnonzero(~alike)
    rows, columns = largest(np.where(free[told], scores[told], -np.inf), count)
    found[told[rows], columns] = True
    return found


def _random_keys(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """A random number of each pair that depends on the pair alone, not on where it is computed: [users, items].

    The mix is SplitMix64's finalizer (Steele, Lea and Flood 2014); 24 bits are exact in float32.
    """
    mixed = users[:, None] ^ items[None, :]
    for shift, factor in ((np.uint64(30), 0xBF58476D1CE4E5B9), (np.uint64(27), 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> shift)) * np.uint64(factor)
    return (mixed >> np.uint64(40)).astype(np.float32)


def _as_table(drawn: _Drawn, users: pa.Table, item_ids: pa.Array) -> pa.Table:
    who = [taken(users[name].combine_chunks(), drawn.users) for name in (*KINDS, "user_id")]
    columns = [
        *who,
        taken(item_ids, drawn.items),
        pa.array(drawn.label),
        pa.array(drawn.in_window),
        lists(drawn.scores, np.float32),
        pa.array(drawn.weight),
    ]
    return pa.Table.from_arrays(columns, schema=arrow_schema(FOUND))

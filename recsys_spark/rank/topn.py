"""The best items for every user, on every shelf, under every weighting: exact and distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.errors import SettingsError
from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out
from recsys_spark.kernels.scoring import Mixture, Shelf
from recsys_spark.kernels.tiles import Chosen
from recsys_spark.kernels.tiles import top_n as best_of_tile
from recsys_spark.rank.cells import ItemCell, ScorerNames, UserCell, in_order, taken
from recsys_spark.rank.pairs import position, sparse_pairs
from recsys_spark.rank.variants import Variant

FOUND = {
    "variant": "string",
    "shelf": "string",
    "user_id": "string",
    "route": "string",
    "item_ids": "array<string>",
    "logits": "array<double>",
    "evidence": "array<map<string,double>>",
}
"""One row a list, best first."""
PLACES_AT_ONCE = 1_000_000
"""Places of one variant that a task holds with all that the search says of them; their ids are one column of strings,
which Arrow bounds at 2 GiB."""


@dataclass(frozen=True)
class TopN:
    """Who is searched for, among which items, and how they are weighed.

    Within a shelf both item groups compete by calibrated probability; ties go to the lower item_id. The order follows
    the logit, since the probability of sure things rounds to 1.

    Raises:
        SettingsError: no variant or shelf is given, or a name repeats.
    """

    user_blocks: DataFrame
    """The table, or some users of it."""
    item_blocks: DataFrame
    """The table, or some items of it."""
    boosts: DataFrame
    """The table; rows of other users only cost time."""
    layout: Mapping[str, tuple[int, int]]
    """Block to (start, width), as the table blocks has it."""
    shelf_items: DataFrame
    """(shelf, item_id), from shelves.shelf_items."""
    excluded: DataFrame | None
    """Pairs (user_id, item_id), each once, that shelves with the flag leave out; None for none."""
    variants: Sequence[Variant]
    """Weightings, with different names."""
    shelves: Mapping[str, tuple[int, bool]]
    """Shelf to (length, whether excluded pairs are left out)."""
    evidence: bool = True
    """Whether a place tells what speaks for it, which takes most of its room."""

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        if not names or not self.shelves or len(set(names)) != len(names):
            raise SettingsError(
                f"top-N needs variants with different names and at least one shelf; found variants {names}, "
                f"shelves {list(self.shelves)}"
            )

    def ranked(self, grid: Grid) -> DataFrame:
        """The first N items of every user and shelf under every variant.

        Returns:
            variant, shelf, user_id, rank (from 1), item_id, score (probability), route, and, if asked for, evidence:
            each scorer's weighted part of the uncalibrated score, where it is not 0.
        """
        evidence = ("evidence",) if self.evidence else ()
        arrays = {"item_ids": "item_id", "logits": "logit", **{name: name for name in evidence}}
        placed = places(self.lists_by_shard(grid), arrays)
        if grid.item_shards > 1:
            lengths = [F.lit(part) for shelf, (length, _) in self.shelves.items() for part in (shelf, length)]
            longest = F.create_map(*lengths)[F.col("shelf")]
            placed = best_of_shards(placed, ("variant", "shelf", "user_id"), "item_id", longest)
        return placed.select("variant", "shelf", "user_id", "rank", "item_id", probability(), "route", *evidence)

    def lists_by_shard(self, grid: Grid) -> DataFrame:
        """What :meth:`ranked` lays out place by place, as FOUND: one row a list and shard of items."""
        names = ScorerNames.of(self.layout, set().union(*[variant.scorers() for variant in self.variants]))
        fields = {name: kind for name, kind in FOUND.items() if self.evidence or name != "evidence"}
        plan = _Plan(
            names.spans,
            tuple(names.all),
            tuple((variant.name, variant.mixture(names.all)) for variant in self.variants),
            tuple((shelf, length, exclude) for shelf, (length, exclude) in self.shelves.items()),
            fields,
        )
        users = self.user_blocks.select("user_id", "route", "vector")
        items = _shelved(
            self.item_blocks.select("item_id", "item_group", "vector"), self.shelf_items, list(self.shelves)
        )
        left_out = self.excluded if any(exclude for _, exclude in self.shelves.values()) else None
        pairs = sparse_pairs(self.boosts, left_out, names.sparse)
        return lay_out(users, items, grid, partial(_best_of_cell, plan), fields, lists=pairs)


def places(lists: DataFrame, arrays: Mapping[str, str]) -> DataFrame:
    """One row a place, from lists whose places lie side by side in arrays, best first.

    Args:
        lists: one row a list.
        arrays: array column to the name of its element; the other columns stay, and rank (from 1) is added.
    """
    kept = [name for name in lists.columns if name not in arrays]
    placed = lists.select(*kept, F.posexplode(F.arrays_zip(*arrays)).alias("place", "found"))
    elements = [F.col(f"found.{array}").alias(name) for array, name in arrays.items()]
    return placed.select(*kept, (F.col("place") + 1).alias("rank"), *elements)


def best_of_shards(placed: DataFrame, of_list: Sequence[str], key: str, length: Column) -> DataFrame:
    """The first places of each list over all shards, ranked anew by logit; ties go to the lower ``key``."""
    best_first = Window.partitionBy(*of_list).orderBy(F.desc("logit"), key)
    return placed.withColumn("rank", F.row_number().over(best_first)).where(F.col("rank") <= length)


def probability() -> Column:
    """Column score: sigmoid of the column logit."""
    return (1 / (1 + F.exp(-F.col("logit")))).alias("score")


@dataclass(frozen=True)
class _Plan:
    """What a task needs besides its users and items; small, and the same for every task."""

    spans: tuple[tuple[int, int], ...]
    scorers: tuple[str, ...]
    """First those of the spans, then the sparse ones."""
    mixtures: tuple[tuple[str, Mixture], ...]
    shelves: tuple[tuple[str, int, bool], ...]
    fields: Mapping[str, str]
    """FOUND, or those of it that are asked for."""


def _best_of_cell(plan: _Plan, users: pa.Table, items: pa.Table, pairs: pa.Table) -> pa.Table:
    """One bucket of users against one shard of items."""
    users, items = in_order(users, "user_id"), in_order(items, "item_id")
    item_cell = ItemCell.of(items)
    user_cell = UserCell.of(users, pairs, item_cell.ids, plan.spans, len(plan.scorers) - len(plan.spans))
    shelves = _shelves(plan, items)
    at_once = max(PLACES_AT_ONCE // max(sum(min(shelf.length, len(shelf.items)) for shelf in shelves), 1), 1)
    found = []
    for name, mixture in plan.mixtures:
        for start in range(0, users.num_rows, at_once):
            some = user_cell.rows(start, start + at_once)
            best = best_of_tile(some.side, item_cell.side, some.scorers, mixture, shelves, some.excluded)
            found.append(_as_table(best, name, plan, users.slice(start, at_once), item_cell.ids))
    return pa.concat_tables(found)


def _shelves(plan: _Plan, items: pa.Table) -> list[Shelf]:
    lists = items["shelves"].combine_chunks()
    rows = np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))
    codes = lists.flatten().to_numpy(zero_copy_only=False)
    return [Shelf(rows[codes == place], length, exclude) for place, (_, length, exclude) in enumerate(plan.shelves)]


def _as_table(best: Chosen, variant: str, plan: _Plan, users: pa.Table, item_ids: pa.Array) -> pa.Table:
    """Lists as rows: a place a row would be copied column by column between Python and the JVM."""
    first = np.flatnonzero(best.rank == 1)
    shelf_names = pa.array([shelf for shelf, _, _ in plan.shelves])
    lists = pa.array(np.append(first, len(best.rank)), pa.int32())
    columns = [
        pa.array([variant]).take(pa.array(np.zeros(len(first), np.int64))),
        taken(shelf_names, best.shelf[first]),
        *[taken(users[name].combine_chunks(), best.user[first]) for name in ("user_id", "route")],
        pa.ListArray.from_arrays(lists, taken(item_ids, best.item)),
        pa.ListArray.from_arrays(lists, pa.array(best.logit, pa.float64())),
    ]
    if "evidence" in plan.fields:
        columns.append(pa.ListArray.from_arrays(lists, _evidence(best.contributions, plan.scorers)))
    return pa.Table.from_arrays(columns, schema=arrow_schema(plan.fields))


def _evidence(contributions: np.ndarray, scorers: Sequence[str]) -> pa.MapArray:
    """Each row of contributions [places, scorers] as a map from scorer to part of the score, without zeros."""
    rows, columns = np.nonzero(contributions)
    offsets = np.searchsorted(rows, np.arange(len(contributions) + 1))
    names = taken(pa.array(scorers, pa.string()), columns)
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), names, pa.array(contributions[rows, columns]))


def _shelved(items: DataFrame, shelf_items: DataFrame, shelves: Sequence[str]) -> DataFrame:
    """Items that stand on a shelf, with the positions of their shelves."""
    codes = shelf_items.select("item_id", position(F.col("shelf"), shelves).alias("code")).where("code >= 0")
    return items.join(codes.groupBy("item_id").agg(F.collect_set("code").alias("shelves")), "item_id", "inner")

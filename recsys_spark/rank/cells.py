"""What a cell of the grid holds: users and items as the kernel takes them.

Every user meets every item in exactly one cell. What is sparse (boosts, excluded items) travels with the user as
arrays, bounded by how many boosts and purchases a user has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import matrix
from recsys_spark.kernels.scoring import Pairs, Scorers, Side
from recsys_spark.rank.variants import ITEM_GROUPS, ROUTES

BOOST_ARRAYS = (("item_id", "boost_items"), ("code", "boost_scorers"), ("value", "boost_values"))


@dataclass(frozen=True)
class ScorerNames:
    """The scorers in the kernel's order: dense ones with their place in the vectors, then sparse ones."""

    dense: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    sparse: tuple[str, ...]

    @classmethod
    def of(cls, layout: dict[str, tuple[int, int]], scorers: set[str]) -> ScorerNames:
        """The given scorers; those that the layout does not place are sparse."""
        dense = sorted((name for name in scorers if name in layout), key=lambda name: layout[name])
        return cls(tuple(dense), tuple(layout[name] for name in dense), tuple(sorted(scorers - set(layout))))

    @property
    def all(self) -> tuple[str, ...]:
        """Dense, then sparse."""
        return self.dense + self.sparse


def layout_of(blocks: Iterable[Row]) -> dict[str, tuple[int, int]]:
    """The collected table blocks as block to (start, width)."""
    return {row["block"]: (row["start"], row["width"]) for row in blocks}


def with_sparse(
    users: DataFrame, boosts: DataFrame, excluded: DataFrame | None, sparse_scorers: Sequence[str]
) -> DataFrame:
    """Users with their boosts as three aligned arrays and their excluded items as one.

    Args:
        users: at least user_id.
        boosts: the table boosts; scorers that are not named are left out.
        excluded: pairs (user_id, item_id), or None for none.
        sparse_scorers: names of boost scorers; boost_scorers holds positions in it.
    """
    found = users.join(_boost_arrays(boosts, sparse_scorers), "user_id", "left")
    filled = [
        _or_empty(name, of)
        for name, of in (("boost_items", "string"), ("boost_scorers", "int"), ("boost_values", "double"))
    ]
    joined = found.select(*users.columns, *filled)
    if excluded is None:
        return joined.select("*", _empty("array<string>").alias("excluded_items"))
    arrays = excluded.groupBy("user_id").agg(F.collect_set("item_id").alias("excluded_items"))
    return joined.join(arrays, "user_id", "left").withColumn("excluded_items", _or_empty("excluded_items", "string"))


def position(value: Column, names: Sequence[str]) -> Column:
    """Position from 0 of a string among fixed names; -1 where it is none of them."""
    found = F.array_position(F.array(*[F.lit(name) for name in names]), value) if names else F.lit(0)
    return (found - 1).cast("int")


@dataclass(frozen=True)
class UserCell:
    """The users of a cell in the order of user_id, their pairs addressed by item position."""

    ids: pa.Array
    side: Side
    scorers: Scorers
    excluded: Pairs

    @classmethod
    def of(cls, users: pa.Table, item_ids: pa.Array, spans: tuple[tuple[int, int], ...], n_sparse: int) -> UserCell:
        """Read a table made by with_sparse."""
        rows, columns = _pairs(users["boost_items"], item_ids)
        scorer = _flat(users["boost_scorers"])
        values = _flat(users["boost_values"])
        known = columns >= 0
        sparse = [known & (scorer == place) for place in range(n_sparse)]
        pairs = tuple(Pairs.of(rows[mask], columns[mask], values[mask]) for mask in sparse)
        excluded = list_pairs(users["excluded_items"], item_ids)
        return cls(users["user_id"].combine_chunks(), _side(users, "route", ROUTES), Scorers(spans, pairs), excluded)

    def rows(self, start: int, stop: int) -> UserCell:
        """Users start to stop, counted from start."""
        parts = self.side.rows(start, stop), self.scorers.rows(start, stop), self.excluded.rows(start, stop)
        return UserCell(self.ids[start:stop], *parts)


@dataclass(frozen=True)
class ItemCell:
    """The items of a cell in the order of item_id."""

    ids: pa.Array
    side: Side

    @classmethod
    def of(cls, items: pa.Table) -> ItemCell:
        """Read a table of item_blocks, sorted."""
        return cls(items["item_id"].combine_chunks(), _side(items, "item_group", ITEM_GROUPS))


def in_order(table: pa.Table, key: str) -> pa.Table:
    """The table in ascending order of a string column, in one chunk, so that a tie breaks the same way everywhere."""
    whole = table.combine_chunks()
    return whole.take(pc.sort_indices(whole[key])).combine_chunks()


def list_pairs(ids: pa.ChunkedArray, item_ids: pa.Array, values: pa.ChunkedArray | None = None) -> Pairs:
    """A column of id lists, and one of aligned values (1 if None), as pairs; ids that item_ids lacks are left out."""
    rows, columns = _pairs(ids, item_ids)
    known = columns >= 0
    each = np.ones(len(rows)) if values is None else _flat(values).astype(float)
    return Pairs.of(rows[known], columns[known], each[known])


def lists(values: np.ndarray, dtype: type = np.float64) -> pa.ListArray:
    """A matrix [rows, length] as a column of lists."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(values, dtype).ravel()))


def taken(values: pa.Array, positions: np.ndarray) -> pa.Array:
    """The values at these positions."""
    return values.take(pa.array(positions, pa.int64()))


def _side(table: pa.Table, kind: str, names: Sequence[str]) -> Side:
    codes = pc.index_in(table[kind].combine_chunks(), value_set=pa.array(names))
    if codes.null_count:
        odd = pc.unique(pc.filter(table[kind], pc.is_null(codes))).to_pylist()
        raise ValueError(f"column {kind} holds {odd}; expected one of {', '.join(names)}")
    vectors = matrix(table["vector"])
    if not np.isfinite(vectors).all():
        raise ValueError(f"{int((~np.isfinite(vectors)).sum())} values of {kind} vectors are NaN or infinite")
    return Side(vectors, codes.to_numpy(zero_copy_only=False).astype(np.int64))


def _pairs(lists: pa.ChunkedArray, item_ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Row and item position of every id in a column of id lists; -1 where this shard does not hold the item."""
    column = lists.combine_chunks()
    rows = np.repeat(np.arange(len(column)), np.diff(column.offsets.to_numpy()))
    found = pc.fill_null(pc.index_in(column.flatten(), value_set=item_ids), -1)
    return rows, found.to_numpy(zero_copy_only=False).astype(np.int64)


def _flat(lists: pa.ChunkedArray) -> np.ndarray:
    return lists.combine_chunks().flatten().to_numpy(zero_copy_only=False)


def _boost_arrays(boosts: DataFrame, scorers: Sequence[str]) -> DataFrame:
    found = boosts.select("user_id", "item_id", "value", position(F.col("scorer"), scorers).alias("code"))
    packed = F.collect_list(F.struct("item_id", "code", "value")).alias("packed")
    return (
        found.where("code >= 0")
        .groupBy("user_id")
        .agg(packed)
        .select("user_id", *[F.col(f"packed.{old}").alias(new) for old, new in BOOST_ARRAYS])
    )


def _empty(kind: str) -> Column:
    return F.array().cast(kind)


def _or_empty(column: str, of: str) -> Column:
    return F.coalesce(F.col(column), _empty(f"array<{of}>")).alias(column)

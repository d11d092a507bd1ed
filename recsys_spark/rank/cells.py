"""What a cell of the grid holds: users and items as the kernel takes them.

Every user meets every item in exactly one cell, and what is sparse (boosts, excluded items) comes to that cell, as the
lists of pairs.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Row

from recsys_spark.kernels.arrow import matrix, positions_in
from recsys_spark.kernels.scoring import Pairs, Scorers, Side
from recsys_spark.rank.variants import ITEM_GROUPS, ROUTES


@dataclass(frozen=True)
class ScorerNames:
    """The scorers in the kernel's order: dense ones with their place in the vectors, then sparse ones."""

    dense: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    sparse: tuple[str, ...]

    @classmethod
    def of(cls, layout: Mapping[str, tuple[int, int]], scorers: set[str]) -> ScorerNames:
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


@dataclass(frozen=True)
class UserCell:
    """The users of a cell in the order of user_id, their pairs addressed by item position."""

    ids: pa.Array
    side: Side
    scorers: Scorers
    excluded: Pairs

    @classmethod
    def of(
        cls, users: pa.Table, pairs: pa.Table, item_ids: pa.Array, spans: tuple[tuple[int, int], ...], n_sparse: int
    ) -> UserCell:
        """Read users, sorted, of whom one may have several rows, and the lists of :func:`pairs.sparse_pairs`."""
        ids, codes = users["user_id"].combine_chunks(), pairs["code"].to_numpy()
        *sparse, excluded = [_pairs(ids, pairs.filter(codes == code), item_ids) for code in range(n_sparse + 1)]
        return cls(ids, _side(users, "route", ROUTES), Scorers(spans, tuple(sparse)), excluded)

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


def list_pairs(ids: pa.ChunkedArray, item_ids: pa.Array, values: pa.ChunkedArray) -> Pairs:
    """A column of id lists, and one of aligned values, as pairs; ids that item_ids lacks are left out."""
    every = np.arange(len(ids))
    return _of_lists(every, every, ids, _flat(values), item_ids)


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


def _pairs(ids: pa.Array, lists: pa.Table, item_ids: pa.Array) -> Pairs:
    """What lists hold of the items, for every row of their user in ``ids``, which ascend."""
    rows, which = _rows_of(ids, lists["user_id"])
    return _of_lists(rows, which, lists["others"], _flat(lists["values"]), item_ids)


def _of_lists(
    rows: np.ndarray, which: np.ndarray, ids: pa.ChunkedArray, values: np.ndarray, item_ids: pa.Array
) -> Pairs:
    """Rows [n] with what the list of each, ``which`` [n], holds of the items; ``values`` are those of all ids."""
    lengths = pc.list_value_length(ids).to_numpy().astype(np.int64)
    columns = positions_in(pc.list_flatten(ids), item_ids)
    places = _ranges((np.cumsum(lengths) - lengths)[which], lengths[which])
    known = columns[places] >= 0
    places = places[known]
    return Pairs.of(np.repeat(rows, lengths[which])[known], columns[places], values[places].astype(float))


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """start, start + 1, … for each start, so many as its length, one after another."""
    return np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)


def _rows_of(ids: pa.Array, asked: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose id was asked for, and the places where it was: one for each two that are equal. The ids ascend."""
    known = ids.dictionary_encode()
    held = np.bincount(np.asarray(known.indices), minlength=len(known.dictionary))
    of_asked = positions_in(asked, known.dictionary)
    found = np.flatnonzero(of_asked >= 0)
    times = held[of_asked[found]]
    first = np.cumsum(held) - held
    return _ranges(first[of_asked[found]], times), np.repeat(found, times)


def _flat(lists: pa.ChunkedArray) -> np.ndarray:
    return lists.combine_chunks().flatten().to_numpy(zero_copy_only=False)

"""Exact top-N of one tile of users against one shard of items, in NumPy.

``search`` finds a few more items than a list needs, in float32. They are scored again in float64, so that the order of
near ties depends neither on the tile nor on the shard nor on what the search left out. What it picks may stand for
several items with one vector (``alike``), which are laid out last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_spark.kernels.alike import Apart
from recsys_spark.kernels.scoring import Mixture, Pairs, Scorers, Shelf, Side
from recsys_spark.kernels.search import SLACK, Search

MAX_TILE_ROWS = 256
MAX_TILE_CELLS = 16_000_000
"""Scores of whole rows held at once: 64 MB in float32."""
MAX_PICKED = 200_000
"""Pairs scored again at once."""


@dataclass(frozen=True)
class Chosen:
    """The chosen pairs, aligned, by shelf, user and rank; ``contributions`` [n, scorers] add up to raw(u, i)."""

    shelf: np.ndarray
    user: np.ndarray
    item: np.ndarray
    rank: np.ndarray
    logit: np.ndarray
    contributions: np.ndarray


def top_n(
    users: Side, items: Side, scorers: Scorers, mixture: Mixture, shelves: Sequence[Shelf], excluded: Pairs
) -> Chosen:
    """The best items of every user for every shelf: by logit, ties by the item's position.

    Items must be in the order that breaks ties. Users are taken in tiles, so memory stays bounded.
    """
    rows = tile_rows(1, sum(shelf.length + SLACK for shelf in shelves))
    search = Search(users, items, scorers, mixture, shelves)
    parts = [_empty(len(scorers.spans) + len(scorers.sparse))]
    for start in range(0, len(users.kinds), rows):
        stop = min(start + rows, len(users.kinds))
        tile, theirs = users.rows(start, stop), scorers.rows(start, stop)
        picked, apart = search.picked(tile, theirs, excluded.rows(start, stop))
        for part, shelf in zip(_scored_again(picked, tile, items, theirs, mixture, shelves), shelves, strict=True):
            parts.append(_shifted(_with_alike(part, apart, shelf) if search.alike.any else part, start))
    return _joined(parts)


def tile_rows(n_items: int, picked_per_row: int) -> int:
    """Users of a tile such that neither its scores nor its picked pairs outgrow their bounds."""
    return max(1, min(MAX_TILE_ROWS, MAX_TILE_CELLS // max(n_items, 1), MAX_PICKED // max(picked_per_row, 1)))


def _scored_again(
    picked: Sequence[tuple[np.ndarray, np.ndarray]],
    users: Side,
    items: Side,
    scorers: Scorers,
    mixture: Mixture,
    shelves: Sequence[Shelf],
) -> list[Chosen]:
    keys = [rows * len(items.kinds) + columns for rows, columns in picked]
    # Shelves overlap, so a pair is scored again once and not once for each shelf.
    unique = np.unique(np.concatenate([np.empty(0, np.int64), *keys]))
    rows, columns = np.divmod(unique, max(len(items.kinds), 1))
    kinds = users.kinds[rows], items.kinds[columns]
    contributions = scorers.scores(users, items, rows, columns) * mixture.coefficients[kinds]
    logit = mixture.slope[kinds] * contributions.sum(axis=1) + mixture.intercept[kinds]
    found = []
    for shelf, asked in enumerate(keys):
        at = np.searchsorted(unique, asked)
        found.append(_ordered(shelf, shelves[shelf].length, rows[at], columns[at], logit[at], contributions[at]))
    return found


def _with_alike(found: Chosen, apart: Apart, shelf: Shelf) -> Chosen:
    """The same lists with all items that a picked one stands for; equal vectors have equal scores."""
    entry, items = apart.expanded(found.user, found.item, found.logit, shelf.length, shelf.exclude)
    order = np.lexsort((items, found.user[entry]))
    entry, items = entry[order], items[order]
    shelf_number = int(found.shelf[0]) if len(found.shelf) else 0
    return _ordered(
        shelf_number, shelf.length, found.user[entry], items, found.logit[entry], found.contributions[entry]
    )


def _ordered(
    shelf: int, length: int, rows: np.ndarray, columns: np.ndarray, logit: np.ndarray, contributions: np.ndarray
) -> Chosen:
    """Each row's best in their order; the rows ascend, and in each the columns do, so that ties go to the lower."""
    held = np.bincount(rows, minlength=1)
    first = np.cumsum(held) - held
    lowered = np.full((len(held), held.max()), np.inf)
    lowered[rows, np.arange(len(rows)) - first[rows]] = -logit
    best = np.argsort(lowered, axis=1, kind="stable")[:, :length]
    some, rank = np.nonzero(np.arange(best.shape[1]) < held[:, None])
    order = first[some] + best[some, rank]
    return Chosen(np.full(len(order), shelf), rows[order], columns[order], rank + 1, logit[order], contributions[order])


def _empty(n_scorers: int) -> Chosen:
    whole = np.empty(0, np.int64)
    return Chosen(whole, whole, whole, whole, np.empty(0), np.empty((0, n_scorers)))


def _shifted(part: Chosen, start: int) -> Chosen:
    return Chosen(part.shelf, part.user + start, part.item, part.rank, part.logit, part.contributions)


def _joined(parts: Sequence[Chosen]) -> Chosen:
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in Chosen.__dataclass_fields__]
    order = np.argsort(columns[0].astype(np.int16), kind="stable")  # users ascend from part to part, and ranks in each
    return Chosen(*[column[order] for column in columns])

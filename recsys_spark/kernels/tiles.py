"""Exact top-N of one tile of users against one shard of items, in NumPy.

A pair's score is a weighted sum over scorers. A dense scorer is a dot product of slices of the two vectors, a sparse
one is a list of (user, item, value). The weights depend on the kind of the user and the kind of the item::

    raw(u, i)   = sum_s coefficients[kind(u), kind(i), s] * scorer_s(u, i)
    logit(u, i) = slope[kind(u), kind(i)] * raw(u, i) + intercept[kind(u), kind(i)]

The search is a matrix product in float32, a block of items at a time. The best few beyond the list's length are scored
again in float64, so that the order of near ties depends neither on the tile nor on the shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from recsys_spark.kernels.best import Best

SLACK = 8
"""Places beyond the list's length that are scored again exactly."""
BLOCK_CELLS = 524_288
"""Scores held at once: 2 MB in float32, which stay in a core's cache until they are compared."""
MAX_TILE_ROWS = 256
MAX_TILE_CELLS = 16_000_000
"""Scores of whole rows held at once: 64 MB in float32."""
MAX_PICKED = 200_000
"""Pairs scored again at once."""


@dataclass(frozen=True)
class Side:
    """Users or items of a tile: ``vectors`` [rows, width] float32 and ``kinds`` [rows] integer codes."""

    vectors: np.ndarray
    kinds: np.ndarray

    def rows(self, start: int, stop: int) -> Side:
        """Some consecutive rows."""
        return Side(self.vectors[start:stop], self.kinds[start:stop])


@dataclass(frozen=True)
class Pairs:
    """Sparse values: user row, item row and value of each pair, ascending by (user, item), no pair twice."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, users: np.ndarray, items: np.ndarray, values: np.ndarray) -> Pairs:
        """Pairs in any order, brought into order."""
        order = np.lexsort((items, users))
        return cls(users[order], items[order], values[order])

    def rows(self, start: int, stop: int) -> Pairs:
        """The pairs of users start to stop, counted from start."""
        low, high = np.searchsorted(self.users, (start, stop))
        return Pairs(self.users[low:high] - start, self.items[low:high], self.values[low:high])

    def where(self, kept: np.ndarray) -> Pairs:
        """The pairs of a mask [n]."""
        return Pairs(self.users[kept], self.items[kept], self.values[kept])

    def largest(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Users and items of each user's ``count`` largest values; ties go to the lower item."""
        order = np.lexsort((self.items, -self.values, self.users))
        users = self.users[order]
        rank = np.arange(len(order)) - np.searchsorted(users, users)
        return users[rank < count], self.items[order][rank < count]

    def at(self, users: np.ndarray, items: np.ndarray, n_items: int) -> np.ndarray:
        """Values [n] of the asked pairs, 0 where there is none."""
        if len(self.users) == 0:
            return np.zeros(len(users))
        keys = self.users.astype(np.int64) * n_items + self.items
        asked = users.astype(np.int64) * n_items + items
        place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        return np.where(keys[place] == asked, self.values[place], 0.0)


@dataclass(frozen=True)
class Scorers:
    """Dense scorers first, as (start, width) of their slice of the vectors, then the sparse ones."""

    spans: tuple[tuple[int, int], ...]
    sparse: tuple[Pairs, ...] = ()

    def rows(self, start: int, stop: int) -> Scorers:
        """The same scorers for users start to stop."""
        return Scorers(self.spans, tuple(pairs.rows(start, stop) for pairs in self.sparse))

    def scores(self, users: Side, items: Side, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Each scorer's own score of each pair (rows[n], columns[n]): [n, scorers] float64, unweighted."""
        found = np.empty((len(rows), len(self.spans) + len(self.sparse)))
        for place, (start, width) in enumerate(self.spans):
            left = users.vectors[rows, start : start + width].astype(np.float64)
            found[:, place] = np.einsum("nd,nd->n", left, items.vectors[columns, start : start + width])
        for place, pairs in enumerate(self.sparse, start=len(self.spans)):
            found[:, place] = pairs.at(rows, columns, len(items.kinds))
        return found


@dataclass(frozen=True)
class Mixture:
    """One weighting: ``coefficients`` [user kinds, item kinds, scorers]; ``slope`` > 0 and ``intercept`` by kinds."""

    coefficients: np.ndarray
    slope: np.ndarray
    intercept: np.ndarray

    def transposed(self) -> Mixture:
        """The same weighting with users and items in each other's place."""
        return Mixture(self.coefficients.swapaxes(0, 1), self.slope.T, self.intercept.T)

    def steepness(self) -> np.ndarray:
        """What a scorer's score adds to the logit: [user kinds, item kinds, scorers]."""
        return self.coefficients * self.slope[:, :, None]


@dataclass(frozen=True)
class Shelf:
    """Which items may stand on a list (ascending positions), how many, and whether excluded pairs are left out."""

    items: np.ndarray
    length: int
    exclude: bool = False


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
    search = _Search.of(items, scorers, mixture)
    parts = [_empty(len(scorers.spans) + len(scorers.sparse))]
    for start in range(0, len(users.kinds), rows):
        stop = min(start + rows, len(users.kinds))
        tile = _tile(
            users.rows(start, stop),
            items,
            scorers.rows(start, stop),
            mixture,
            shelves,
            excluded.rows(start, stop),
            search,
        )
        parts.extend(_shifted(part, start) for part in tile)
    return _joined(parts)


def tile_rows(n_items: int, picked_per_row: int) -> int:
    """Users of a tile such that neither its scores nor its picked pairs outgrow their bounds."""
    return max(1, min(MAX_TILE_ROWS, MAX_TILE_CELLS // max(n_items, 1), MAX_PICKED // max(picked_per_row, 1)))


@dataclass(frozen=True)
class _Search:
    """What the matrix product needs of the items, made once for all tiles: columns that carry weight, by item kind."""

    columns: np.ndarray
    vectors: np.ndarray
    """All items, [items, columns]."""
    usual: int
    """The most frequent kind of item."""
    others: tuple[tuple[int, np.ndarray], ...]
    """Each other kind and its rows."""
    weights: np.ndarray

    @classmethod
    def of(cls, items: Side, scorers: Scorers, mixture: Mixture) -> _Search:
        steepness = mixture.steepness()
        weights = np.zeros((*steepness.shape[:2], items.vectors.shape[1]), np.float32)
        for place, (start, width) in enumerate(scorers.spans):
            weights[:, :, start : start + width] = steepness[:, :, place, None]
        columns = np.flatnonzero(weights.any(axis=(0, 1)))
        usual = int(np.bincount(items.kinds, minlength=1).argmax())
        others = tuple((int(kind), np.flatnonzero(items.kinds == kind)) for kind in np.unique(items.kinds))
        rarer = tuple((kind, rows) for kind, rows in others if kind != usual)
        every = len(columns) == items.vectors.shape[1]
        vectors = items.vectors if every else items.vectors.take(columns, axis=1)
        return cls(columns, vectors, usual, rarer, weights[:, :, columns])

    def blocks(
        self, users: Side, items: Side, scorers: Scorers, mixture: Mixture
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Consecutive items, start to stop, and logits [users, stop - start] in float32, in one buffer for all.

        The logits of a user are all less by the intercept of the usual kind, which does not change their order.
        Writing a product to chosen columns costs as much as the product. So all items are taken for the usual kind, and
        only the columns of the others are written again.
        """
        vectors = users.vectors[:, self.columns]
        kinds = [self.usual, *[kind for kind, _ in self.others]]
        weighted = {kind: vectors * self.weights[users.kinds, kind] for kind in kinds}
        intercepts = mixture.intercept[users.kinds] - mixture.intercept[users.kinds, self.usual, None]
        steepness = mixture.steepness()
        boosts = [
            _ByItem.of(pairs, steepness[users.kinds[pairs.users], items.kinds[pairs.items], place] * pairs.values)
            for place, pairs in enumerate(scorers.sparse, start=len(scorers.spans))
        ]
        n_users, n_items = len(vectors), len(self.vectors)
        width = max(1, BLOCK_CELLS // max(n_users, 1))
        buffer = np.empty(n_users * min(width, n_items), np.float32)
        for start in range(0, n_items, width):
            stop = min(start + width, n_items)
            found = buffer[: n_users * (stop - start)].reshape(n_users, stop - start)
            np.matmul(weighted[self.usual], self.vectors[start:stop].T, out=found)
            for kind, rows in self.others:
                inside = rows[slice(*np.searchsorted(rows, (start, stop)))]
                if len(inside):
                    others = weighted[kind] @ self.vectors[inside].T
                    found[:, inside - start] = others + intercepts[:, kind, None].astype(np.float32)
            for pairs in boosts:
                rows, columns, values = pairs.between(start, stop)
                found[rows, columns] += values
            yield start, stop, found


@dataclass(frozen=True)
class _ByItem:
    """Values [n] float32 of pairs, ascending by item."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, pairs: Pairs, values: np.ndarray) -> _ByItem:
        order = np.argsort(pairs.items, kind="stable")
        return cls(pairs.users[order], pairs.items[order], values[order].astype(np.float32))

    def between(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Users, items counted from start, and values of the pairs with the items start to stop."""
        part = slice(*np.searchsorted(self.items, (start, stop)))
        return self.users[part], self.items[part] - start, self.values[part]


def _tile(
    users: Side,
    items: Side,
    scorers: Scorers,
    mixture: Mixture,
    shelves: Sequence[Shelf],
    excluded: Pairs,
    search: _Search,
) -> list[Chosen]:
    picked = _picked(search.blocks(users, items, scorers, mixture), len(users.kinds), shelves, excluded)
    keys = [rows * len(items.kinds) + columns for rows, columns in picked]
    # Shelves overlap, so a pair is scored again once and not once for each shelf.
    unique, place = np.unique(np.concatenate([np.empty(0, np.int64), *keys]), return_inverse=True)
    rows, columns = np.divmod(unique, max(len(items.kinds), 1))
    kinds = users.kinds[rows], items.kinds[columns]
    contributions = scorers.scores(users, items, rows, columns) * mixture.coefficients[kinds]
    logit = mixture.slope[kinds] * contributions.sum(axis=1) + mixture.intercept[kinds]
    ends = np.cumsum([len(found) for found in keys])
    return [
        _ordered(shelf, shelves[shelf].length, rows[at], columns[at], logit[at], contributions[at])
        for shelf, at in enumerate(np.split(place, ends[:-1]))
    ]


def _picked(
    blocks: Iterator[tuple[int, int, np.ndarray]], n_users: int, shelves: Sequence[Shelf], excluded: Pairs
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each shelf, rows and columns of the pairs worth scoring again; writes -inf over excluded pairs on the way."""
    found = [Best(n_users, shelf.length + SLACK) for shelf in shelves]
    barred = _ByItem.of(excluded, excluded.values)
    for start, stop, logits in blocks:
        for exclude in (False, True):
            if exclude:
                rows, columns, _ = barred.between(start, stop)
                logits[rows, columns] = -np.inf
            for shelf, best in zip(shelves, found, strict=True):
                if shelf.exclude == exclude:
                    columns = shelf.items[slice(*np.searchsorted(shelf.items, (start, stop)))]
                    whole = len(columns) == stop - start
                    best.push(logits if whole else logits.take(columns - start, axis=1), columns)
    return [best.found() for best in found]


def _ordered(
    shelf: int, length: int, rows: np.ndarray, columns: np.ndarray, logit: np.ndarray, contributions: np.ndarray
) -> Chosen:
    order = np.lexsort((columns, -logit, rows))
    rank = np.arange(len(order)) - np.searchsorted(rows[order], rows[order]) + 1
    order, rank = order[rank <= length], rank[rank <= length]
    on_shelf = np.full(len(order), shelf)
    return Chosen(on_shelf, rows[order], columns[order], rank, logit[order], contributions[order])


def _empty(n_scorers: int) -> Chosen:
    whole = np.empty(0, np.int64)
    return Chosen(whole, whole, whole, whole, np.empty(0), np.empty((0, n_scorers)))


def _shifted(part: Chosen, start: int) -> Chosen:
    return Chosen(part.shelf, part.user + start, part.item, part.rank, part.logit, part.contributions)


def _joined(parts: Sequence[Chosen]) -> Chosen:
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in Chosen.__dataclass_fields__]
    order = np.lexsort((columns[3], columns[1], columns[0]))
    return Chosen(*[column[order] for column in columns])

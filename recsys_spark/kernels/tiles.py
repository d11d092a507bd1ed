"""Exact top-N of one tile of users against one shard of items, in NumPy.

A pair's score is a weighted sum over scorers. A dense scorer is a dot product of slices of the two vectors, a sparse
one is a list of (user, item, value). The weights depend on the kind of the user and the kind of the item::

    raw(u, i)   = sum_s coefficients[kind(u), kind(i), s] * scorer_s(u, i)
    logit(u, i) = slope[kind(u), kind(i)] * raw(u, i) + intercept[kind(u), kind(i)]

The search is one matrix product in float32. The best few beyond the list's length are scored again in float64, so that
the order of near ties depends neither on the tile nor on the shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SLACK = 8
"""Places beyond the list's length that are scored again exactly."""
GROUP = 16
"""Columns of a group; the largest scores are looked for in the groups with the largest maxima."""
MAX_TILE_ROWS = 256
MAX_TILE_CELLS = 16_000_000
"""Scores held at once: 64 MB in float32."""
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
    rows = tile_rows(len(items.kinds), sum(shelf.length + SLACK for shelf in shelves))
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


def largest(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of each row's ``count`` largest scores; ties go to the lower column, -inf is never taken."""
    n_columns = scores.shape[1]
    if count >= n_columns:
        rows, columns = np.nonzero(scores > -np.inf)
        return rows, columns
    grouped = n_columns >= 4 * GROUP * count
    picked = _picked_from_groups(scores, count) if grouped else _picked_from_all(scores, count)
    rows = np.repeat(np.arange(len(scores)), count)
    columns = picked.ravel()
    kept = scores[rows, columns] > -np.inf
    return rows[kept], columns[kept]


def _picked_from_all(scores: np.ndarray, count: int) -> np.ndarray:
    """Columns [rows, count] of each row's largest scores, in any order."""
    n_columns = scores.shape[1]
    picked = np.argpartition(scores, n_columns - count, axis=1)[:, n_columns - count :]
    floor = np.take_along_axis(scores, picked, axis=1).min(axis=1)
    crowded = ((scores >= floor[:, None]).sum(axis=1) > count) & (floor > -np.inf)
    for row in np.flatnonzero(crowded):
        above, equal = np.flatnonzero(scores[row] > floor[row]), np.flatnonzero(scores[row] == floor[row])
        picked[row] = np.concatenate([above, equal[: count - len(above)]])
    return picked


def _picked_from_groups(scores: np.ndarray, count: int) -> np.ndarray:
    """The same from the groups of columns with the largest maxima: a maximum costs a tenth of a partition.

    The ``count`` groups with the largest maxima hold the ``count`` largest scores, unless other groups tie with them;
    such rows are searched whole.
    """
    n_rows, n_columns = scores.shape
    n_groups = n_columns // GROUP
    # A group is every n_groups-th column: maxima of whole rows are fast, those of a few neighbours are not.
    maxima = scores[:, : GROUP * n_groups].reshape(n_rows, GROUP, n_groups).max(axis=1)
    groups = np.argpartition(maxima, n_groups - count, axis=1)[:, n_groups - count :]
    floor = np.take_along_axis(maxima, groups, axis=1).min(axis=1)
    clear = ((maxima >= floor[:, None]).sum(axis=1) == count) & (floor > -np.inf)
    rows = np.flatnonzero(clear)
    # Ascending, so that ties go to the lower column here as well.
    inside = np.arange(GROUP)[:, None] * n_groups + np.sort(groups[rows], axis=1)[:, None, :]
    tail = np.broadcast_to(np.arange(GROUP * n_groups, n_columns), (len(rows), n_columns - GROUP * n_groups))
    columns = np.concatenate([inside.reshape(len(rows), GROUP * count), tail], axis=1)
    picked = np.empty((n_rows, count), np.int64)
    picked[rows] = np.take_along_axis(columns, _picked_from_all(scores[rows[:, None], columns], count), axis=1)
    picked[~clear] = _picked_from_all(scores[~clear], count)
    return picked


def tile_rows(n_items: int, picked_per_row: int) -> int:
    """Users of a tile such that neither its scores nor its picked pairs outgrow their bounds."""
    return max(1, min(MAX_TILE_ROWS, MAX_TILE_CELLS // max(n_items, 1), MAX_PICKED // max(picked_per_row, 1)))


@dataclass(frozen=True)
class _Search:
    """What the matrix product needs of the items, made once for all tiles: columns that carry weight, by item kind."""

    columns: np.ndarray
    usual: tuple[int, np.ndarray]
    """The most frequent kind, and the vectors of all items, transposed."""
    others: tuple[tuple[int, np.ndarray, np.ndarray], ...]
    """Each other kind, its rows, and their vectors, transposed."""
    weights: np.ndarray

    @classmethod
    def of(cls, items: Side, scorers: Scorers, mixture: Mixture) -> _Search:
        steepness = mixture.steepness()
        weights = np.zeros((*steepness.shape[:2], items.vectors.shape[1]), np.float32)
        for place, (start, width) in enumerate(scorers.spans):
            weights[:, :, start : start + width] = steepness[:, :, place, None]
        columns = np.flatnonzero(weights.any(axis=(0, 1)))
        usual = int(np.bincount(items.kinds, minlength=1).argmax())
        rarer = [(int(kind), np.flatnonzero(items.kinds == kind)) for kind in np.unique(items.kinds) if kind != usual]
        others = tuple((kind, rows, items.vectors[np.ix_(rows, columns)].T) for kind, rows in rarer)
        return cls(columns, (usual, items.vectors[:, columns].T), others, weights[:, :, columns])

    def logits(self, users: Side, items: Side, scorers: Scorers, mixture: Mixture) -> np.ndarray:
        """Logits [users, items] in float32.

        Writing a product to chosen columns costs as much as the product. So all items are taken for the usual kind, and
        only the columns of the others are written again.
        """
        vectors = users.vectors[:, self.columns]

        def product(kind: int, item_vectors: np.ndarray) -> np.ndarray:
            logits = (vectors * self.weights[users.kinds, kind]) @ item_vectors
            logits += mixture.intercept[users.kinds, kind, None].astype(np.float32)
            return logits

        found = product(*self.usual)
        for kind, rows, item_vectors in self.others:
            found[:, rows] = product(kind, item_vectors)
        steepness = mixture.steepness()
        for place, pairs in enumerate(scorers.sparse, start=len(scorers.spans)):
            weight = steepness[users.kinds[pairs.users], items.kinds[pairs.items], place]
            found[pairs.users, pairs.items] += (weight * pairs.values).astype(np.float32)
        return found


def _tile(
    users: Side,
    items: Side,
    scorers: Scorers,
    mixture: Mixture,
    shelves: Sequence[Shelf],
    excluded: Pairs,
    search: _Search,
) -> list[Chosen]:
    picked = list(_picked(search.logits(users, items, scorers, mixture), shelves, excluded))
    keys = [rows * len(items.kinds) + columns for _, rows, columns in picked]
    # Shelves overlap, so a pair is scored again once and not once for each shelf.
    unique, place = np.unique(np.concatenate([np.empty(0, np.int64), *keys]), return_inverse=True)
    rows, columns = np.divmod(unique, max(len(items.kinds), 1))
    kinds = users.kinds[rows], items.kinds[columns]
    contributions = scorers.scores(users, items, rows, columns) * mixture.coefficients[kinds]
    logit = mixture.slope[kinds] * contributions.sum(axis=1) + mixture.intercept[kinds]
    ends = np.cumsum([len(found) for found in keys])
    return [
        _ordered(shelf, shelves[shelf].length, rows[at], columns[at], logit[at], contributions[at])
        for (shelf, _, _), at in zip(picked, np.split(place, ends[:-1]), strict=True)
    ]


def _picked(
    logits: np.ndarray, shelves: Sequence[Shelf], excluded: Pairs
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Shelf, rows and columns of the pairs worth scoring again; writes -inf over excluded pairs on the way."""
    for exclude in (False, True):
        if exclude:
            logits[excluded.users, excluded.items] = -np.inf
        for place, shelf in enumerate(shelves):
            if shelf.exclude == exclude:
                whole = len(shelf.items) == logits.shape[1]
                rows, columns = largest(logits if whole else logits[:, shelf.items], shelf.length + SLACK)
                yield place, rows, columns if whole else shelf.items[columns]


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

"""What a search scores: two sides of vectors, sparse pairs, and how scorers are weighed.

A pair's score is a weighted sum over scorers. A dense scorer is a dot product of slices of the two vectors, a sparse
one is a list of (user, item, value). The weights depend on the kind of the user and the kind of the item::

    raw(u, i)   = sum_s coefficients[kind(u), kind(i), s] * scorer_s(u, i)
    logit(u, i) = slope[kind(u), kind(i)] * raw(u, i) + intercept[kind(u), kind(i)]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PAIRS_AT_ONCE = 512
"""Whose vectors are laid beside each other; at a width of 256 they are 1 MB a side, which stays in a core's cache."""


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
        order = np.argsort(users * (items.max(initial=0) + 1) + items, kind="stable")
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
        for first in range(0, len(rows), PAIRS_AT_ONCE):
            some = slice(first, first + PAIRS_AT_ONCE)
            left = users.vectors.take(rows[some], axis=0).astype(np.float64)
            right = items.vectors.take(columns[some], axis=0).astype(np.float64)
            for place, (start, width) in enumerate(self.spans):
                part = slice(start, start + width)
                found[some, place] = np.einsum("nd,nd->n", left[:, part], right[:, part])
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

"""Which pairs of a tile are worth scoring exactly: a matrix product in float32, without the blocks that cannot matter.

Items lie in blocks of one kind, those first that promise most. What a user can score with any item of a block has a
bound that takes a few products to know::

    score(u, i) <= sum_s max(size_s(u) * low_s(block), size_s(u) * high_s(block))

Here a scorer of one column has its value as size, and its smallest and largest value in the block as low and high; one
of more columns has the length of its part of the vector, since a dot product is at most the product of the lengths
(Cauchy and Schwarz). Once a user has as many items as the list needs, blocks whose bound lies below the last of them
are left out: nothing they hold can be on the list, so the search stays exact. Longest vectors first, and leaving out
the rest, is the first step of LEMP (Teflioudi, Gemulla and Mykytiuk, "LEMP: Fast Retrieval of Large Entries in a Matrix
Product", SIGMOD 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_spark.kernels.best import Best
from recsys_spark.kernels.scoring import Mixture, Pairs, Scorers, Shelf, Side

SLACK = 8
"""Places beyond the list's length that are scored again exactly."""
SMALLEST, LARGEST, SHARE_OF_EARLIER = 256, 2048, 8
"""Items of a block: an eighth of those before it, within these bounds. The first blocks raise what later ones must
beat, so they are small; the scores of 256 users and 2,048 items are 2 MB, which stay in a core's cache until they are
compared."""
ROUNDING = 2e-5
"""By this share of the sum of the parts' sizes, products in float32 may be off; at a few hundred columns they are less.
"""


@dataclass(frozen=True)
class Block:
    """Items start to stop of the search's order, all of one kind."""

    number: int
    start: int
    stop: int
    kind: int
    shelves: tuple[tuple[int, np.ndarray | None], ...]
    """The shelves that some of them stand on, with the places of these in the block; None for all."""


class Search:
    """The items, brought into the order of the search once for all tiles of users."""

    def __init__(self, users: Side, items: Side, scorers: Scorers, mixture: Mixture, shelves: Sequence[Shelf]) -> None:
        """Lay the items out.

        Args:
            users: all that will be searched for; what they have in common decides which items come first.
            items: in the order that breaks ties.
            scorers: the dense ones with their place in the vectors, and the sparse ones.
            mixture: the weights.
            shelves: which items may stand on which list.
        """
        self.mixture, self.shelves, self.spans = mixture, shelves, scorers.spans
        self.steepness = mixture.steepness()
        weights = np.zeros((*self.steepness.shape[:2], items.vectors.shape[1]), np.float32)
        for place, (start, width) in enumerate(scorers.spans):
            weights[:, :, start : start + width] = self.steepness[:, :, place, None]
        self.columns = np.flatnonzero(weights.any(axis=(0, 1)))
        self.weights = weights[:, :, self.columns]
        self.item_kinds = items.kinds
        self.usual = int(np.bincount(items.kinds, minlength=1).argmax())
        sizes = _sizes(items.vectors, scorers.spans)
        self.order, ends = _laid_out(items.kinds, self._promise(users, sizes))
        self.place_of = np.empty(len(self.order), np.int64)
        self.place_of[self.order] = np.arange(len(self.order))
        self.on_shelf = np.zeros((len(shelves), len(self.order)), bool)
        for on, shelf in zip(self.on_shelf, shelves, strict=True):
            on[self.place_of[shelf.items]] = True
        self.blocks = [self._block(number, start, stop) for number, (start, stop) in enumerate(ends)]
        every = len(self.columns) == items.vectors.shape[1]
        vectors = items.vectors if every else items.vectors.take(self.columns, axis=1)
        self.vectors = vectors.take(self.order, axis=0)
        starts = [block.start for block in self.blocks]
        self.low, self.high = (
            extreme.reduceat(sizes[self.order], starts, axis=0) if starts else sizes
            for extreme in (np.minimum, np.maximum)
        )

    def picked(self, users: Side, scorers: Scorers, excluded: Pairs) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each shelf, the pairs worth scoring again as rows and columns, ascending.

        Args:
            users: a tile of them.
            scorers: the same as before, of these users.
            excluded: pairs that shelves with the flag leave out.
        """
        tile = _Tile(self, users, scorers, excluded)
        for block in self.blocks:
            if block.shelves:
                tile.visit(block)
        return [best.found() for best in tile.best]

    def weighted_sizes(self, sizes: np.ndarray, user_kinds: np.ndarray, item_kind: int) -> np.ndarray:
        """Sizes [users, spans] by the weight that each user gives to items of a kind."""
        weight = self.steepness[user_kinds, item_kind, : len(self.spans)]
        return sizes * np.where([width > 1 for _, width in self.spans], np.abs(weight), weight)

    def _promise(self, users: Side, item_sizes: np.ndarray) -> np.ndarray:
        """[items]: what bounds the scores of each item, as the mean over the users."""
        sizes, found = _sizes(users.vectors, self.spans), np.zeros(len(self.item_kinds))
        for kind in np.unique(self.item_kinds) if len(users.kinds) else ():
            of_kind = self.item_kinds == kind
            found[of_kind] = item_sizes[of_kind] @ self.weighted_sizes(sizes, users.kinds, kind).mean(axis=0)
        return found

    def _block(self, number: int, start: int, stop: int) -> Block:
        places = [np.flatnonzero(on[start:stop]) for on in self.on_shelf]
        held = [(shelf, None if len(p) == stop - start else p) for shelf, p in enumerate(places) if len(p)]
        return Block(number, start, stop, int(self.item_kinds[self.order[start]]), tuple(held))


@dataclass(frozen=True)
class _Boosted:
    """What sparse scorers add, a pair once, ascending by the item's place in the search's order."""

    users: np.ndarray
    places: np.ndarray
    values: np.ndarray
    """float32 [n]."""
    barred: np.ndarray
    """bool [n]: the pair is excluded."""

    def between(self, start: int, stop: int) -> _Boosted:
        """The pairs with the places start to stop."""
        part = slice(*np.searchsorted(self.places, (start, stop)))
        return self.where(part)

    def where(self, part: slice | np.ndarray) -> _Boosted:
        """Some of the pairs."""
        return _Boosted(self.users[part], self.places[part], self.values[part], self.barred[part])


class _Tile:
    """Some users, what they found so far, and what they can find at most in each block."""

    def __init__(self, search: Search, users: Side, scorers: Scorers, excluded: Pairs) -> None:
        self._search = search
        n_users = len(users.kinds)
        self.best = [Best(n_users, shelf.length + SLACK) for shelf in search.shelves]
        vectors, sizes = users.vectors[:, search.columns], _sizes(users.vectors, search.spans)
        intercept = search.mixture.intercept
        self._weighted, self._intercept = {}, {}
        self._limits = np.empty((n_users, len(search.blocks)))
        for kind in {block.kind for block in search.blocks}:
            # Logits of a user are all less by the intercept of the usual kind, which does not change their order.
            beyond = intercept[users.kinds, kind] - intercept[users.kinds, search.usual]
            self._weighted[kind] = vectors * search.weights[users.kinds, kind]
            self._intercept[kind] = beyond.astype(np.float32)
            of_kind = [block.number for block in search.blocks if block.kind == kind]
            weighted_sizes = search.weighted_sizes(sizes, users.kinds, kind)
            self._limits[:, of_kind] = beyond[:, None] + _bounds(
                weighted_sizes, search.low[of_kind], search.high[of_kind]
            )
        rows, places = excluded.users, search.place_of[excluded.items]
        order = np.argsort(places, kind="stable")
        self._barred_rows, self._barred_places = rows[order], places[order]
        self._boosted = self._of_scorers(users, scorers)
        self._buffer = np.empty(n_users * LARGEST, np.float32)

    def visit(self, block: Block) -> None:
        """Search a block for the users who can find something there."""
        floor = np.minimum.reduce([self.best[shelf].floor for shelf, _ in block.shelves])
        limit = self._limits[:, block.number]
        boosted = self._boosted.between(block.start, block.stop)
        rows = np.flatnonzero(limit >= floor)
        if len(rows):
            self._push(block, rows, boosted)
        if len(rows) < len(limit) and len(boosted.users):
            alone = (limit < floor)[boosted.users] & (limit[boosted.users] + boosted.values >= floor[boosted.users])
            self._push_boosted(block, boosted.where(alone))

    def _push(self, block: Block, rows: np.ndarray, boosted: _Boosted) -> None:
        """All items of the block for some users."""
        n_items = block.stop - block.start
        logits = self._buffer[: len(rows) * n_items].reshape(len(rows), n_items)
        vectors = self._search.vectors[block.start : block.stop]
        np.matmul(self._weighted[block.kind][rows], vectors.T, out=logits)
        if block.kind != self._search.usual:
            logits += self._intercept[block.kind][rows, None]
        row_of = np.full(len(self._limits), -1)
        row_of[rows] = np.arange(len(rows))
        boosted_rows = row_of[boosted.users]
        held = boosted_rows >= 0
        logits[boosted_rows[held], boosted.places[held] - block.start] += boosted.values[held]
        columns = self._search.order[block.start : block.stop]
        for exclude in (False, True):
            if exclude:
                self._bar(logits, block, row_of)
            for shelf, places in block.shelves:
                if self._search.shelves[shelf].exclude == exclude:
                    best = self.best[shelf]
                    if places is None:
                        best.push(logits, columns, rows)
                    else:
                        best.push(logits.take(places, axis=1), columns[places], rows)

    def _bar(self, logits: np.ndarray, block: Block, row_of: np.ndarray) -> None:
        """Write -inf over the excluded pairs; ``row_of`` [users] is -1 for those without a row of logits."""
        part = slice(*np.searchsorted(self._barred_places, (block.start, block.stop)))
        rows, places = row_of[self._barred_rows[part]], self._barred_places[part] - block.start
        logits[rows[rows >= 0], places[rows >= 0]] = -np.inf

    def _push_boosted(self, block: Block, pairs: _Boosted) -> None:
        """Single pairs of users who can find nothing else in the block."""
        search = self._search
        left, right = self._weighted[block.kind][pairs.users], search.vectors[pairs.places]
        scores = np.einsum("nd,nd->n", left, right) + pairs.values
        if block.kind != search.usual:
            scores += self._intercept[block.kind][pairs.users]
        for shelf, _ in block.shelves:
            kept = search.on_shelf[shelf, pairs.places]
            if search.shelves[shelf].exclude:
                kept &= ~pairs.barred
            self.best[shelf].push_pairs(scores[kept], search.order[pairs.places[kept]], pairs.users[kept])

    def _of_scorers(self, users: Side, scorers: Scorers) -> _Boosted:
        """The sums of the sparse scorers' weighted values."""
        search, n_users = self._search, max(len(users.kinds), 1)
        keys, values = [np.empty(0, np.int64)], [np.empty(0)]
        for place, pairs in enumerate(scorers.sparse, start=len(scorers.spans)):
            keys.append(search.place_of[pairs.items] * n_users + pairs.users)
            weight = search.steepness[users.kinds[pairs.users], search.item_kinds[pairs.items], place]
            values.append(weight * pairs.values)
        pair, pair_of = np.unique(np.concatenate(keys), return_inverse=True)
        total = np.bincount(pair_of, np.concatenate(values), len(pair)).astype(np.float32)
        barred = np.isin(pair, self._barred_places * n_users + self._barred_rows)
        places, rows = np.divmod(pair, n_users)
        return _Boosted(rows, places, total, barred)


def _laid_out(kinds: np.ndarray, promise: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Items in the order of the search, and start and stop of its blocks; within a block items ascend.

    So of equal scores in a block the first belongs to the lower item.
    """
    order, ends = np.empty(len(kinds), np.int64), []
    stop = 0
    for kind in np.unique(kinds):
        of_kind = np.flatnonzero(kinds == kind)
        best_first = of_kind[np.argsort(-promise[of_kind], kind="stable")]
        before = 0
        while before < len(best_first):
            size = min(max(before // SHARE_OF_EARLIER, SMALLEST), LARGEST)
            block = np.sort(best_first[before : before + size])
            start, stop, before = stop, stop + len(block), before + len(block)
            order[start:stop] = block
            ends.append((start, stop))
    return order, ends


def _sizes(vectors: np.ndarray, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """[rows, spans] float64: the value of a span of one column, the length of a wider one."""
    found = np.empty((len(vectors), len(spans)))
    for place, (start, width) in enumerate(spans):
        part = vectors[:, start : start + width]
        found[:, place] = part[:, 0] if width == 1 else np.sqrt(np.einsum("nd,nd->n", part, part, dtype=np.float64))
    return found


def _bounds(sizes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """[users, blocks]: the most that a score can be, rounding counted in."""
    most = np.maximum(sizes, 0.0) @ high.T + np.minimum(sizes, 0.0) @ low.T
    return most + ROUNDING * (np.abs(sizes) @ np.maximum(np.abs(low), np.abs(high)).T)

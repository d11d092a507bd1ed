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

Of items that no dense scorer tells apart one is searched and stands for all (``alike``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_spark.kernels.alike import Alike, Apart
from recsys_spark.kernels.best import Best
from recsys_spark.kernels.bounds import bounds, sizes_of
from recsys_spark.kernels.scoring import PAIRS_AT_ONCE, Mixture, Pairs, Scorers, Shelf, Side

SLACK = 8
"""Places beyond the list's length that are scored again exactly."""
SMALLEST, LARGEST, SHARE_OF_EARLIER = 256, 2048, 8
"""Items of a block: an eighth of those before it, within these bounds. The first blocks raise what later ones must
beat, so they are small; the scores of 256 users and 2,048 items are 2 MB, which stay in a core's cache until they are
compared."""


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
        every = len(self.columns) == items.vectors.shape[1]
        vectors = items.vectors if every else items.vectors.take(self.columns, axis=1)
        on_shelf = np.zeros((len(shelves), len(items.kinds)), bool)
        for on, shelf in zip(on_shelf, shelves, strict=True):
            on[shelf.items] = True
        self.alike = Alike.of(vectors, items.kinds[:, None], on_shelf.T)
        searched = self.alike.first
        sizes = sizes_of(items.vectors[searched] if self.alike.any else items.vectors, scorers.spans)
        order, ends = _laid_out(items.kinds[searched], self._promise(users, items.kinds[searched], sizes))
        self.order = searched[order]
        place_of_group = np.empty(len(order), np.int64)
        place_of_group[order] = np.arange(len(order))
        self.place_of = place_of_group[self.alike.group_of]
        self.on_shelf = on_shelf[:, self.order]
        self.blocks = [self._block(number, start, stop) for number, (start, stop) in enumerate(ends)]
        self.block_of = np.repeat(np.arange(len(ends)), [stop - start for start, stop in ends])
        self.vectors = vectors.take(self.order, axis=0)
        starts = [block.start for block in self.blocks]
        self.low, self.high = (
            extreme.reduceat(sizes[order], starts, axis=0) if starts else sizes for extreme in (np.minimum, np.maximum)
        )

    def picked(
        self, users: Side, scorers: Scorers, excluded: Pairs
    ) -> tuple[list[tuple[np.ndarray, np.ndarray]], Apart]:
        """Of each shelf, the pairs worth scoring again as rows and columns, ascending, and what some stand for.

        Args:
            users: a tile of them.
            scorers: the same as before, of these users.
            excluded: pairs that shelves with the flag leave out.
        """
        tile = _Tile(self, users, scorers, excluded)
        for block in self.blocks:
            if block.shelves:
                tile.visit(block)
        tile.visit_apart()
        return [best.found() for best in tile.best], tile.apart

    def weighted_sizes(self, sizes: np.ndarray, user_kinds: np.ndarray, item_kind: int) -> np.ndarray:
        """Sizes [users, spans] by the weight that each user gives to items of a kind."""
        weight = self.steepness[user_kinds, item_kind, : len(self.spans)]
        return sizes * np.where([width > 1 for _, width in self.spans], np.abs(weight), weight)

    def _promise(self, users: Side, item_kinds: np.ndarray, item_sizes: np.ndarray) -> np.ndarray:
        """[items]: what bounds the scores of each item, as the mean over the users."""
        sizes, found = sizes_of(users.vectors, self.spans), np.zeros(len(item_kinds))
        for kind in np.unique(item_kinds) if len(users.kinds) else ():
            of_kind = item_kinds == kind
            found[of_kind] = item_sizes[of_kind] @ self.weighted_sizes(sizes, users.kinds, kind).mean(axis=0)
        return found

    def _block(self, number: int, start: int, stop: int) -> Block:
        places = [np.flatnonzero(on[start:stop]) for on in self.on_shelf]
        held = [(shelf, None if len(p) == stop - start else p) for shelf, p in enumerate(places) if len(p)]
        return Block(number, start, stop, int(self.item_kinds[self.order[start]]), tuple(held))


@dataclass(frozen=True)
class _Cells:
    """Pairs without a score, ascending by the item's place in the search's order."""

    users: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, users: np.ndarray, places: np.ndarray) -> _Cells:
        """Pairs in any order, brought into order."""
        order = np.argsort(places, kind="stable")
        return cls(users[order], places[order])

    def clear(self, logits: np.ndarray, block: Block, row_of: np.ndarray) -> None:
        """Write -inf over those of a block; ``row_of`` [users] is -1 for those without a row of logits."""
        part = slice(*np.searchsorted(self.places, (block.start, block.stop)))
        rows, places = row_of[self.users[part]], self.places[part] - block.start
        logits[rows[rows >= 0], places[rows >= 0]] = -np.inf


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
        vectors, sizes = users.vectors[:, search.columns], sizes_of(users.vectors, search.spans)
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
            self._limits[:, of_kind] = beyond[:, None] + bounds(
                weighted_sizes, search.low[of_kind], search.high[of_kind]
            )
        boosts = self._boosts(users, scorers)
        shared, shared_out = (search.alike.shared(items) for items in (boosts[1], excluded.items))
        out = excluded.users, excluded.items
        members, members_out = ([part[which] for part in told] for which, told in ((shared, boosts), (shared_out, out)))
        self.apart = Apart.among(search.alike, tuple(members), tuple(members_out))
        # Who tells members apart has their group's entries for himself, and none in the blocks.
        self._touched = _Cells.of(self.apart.users, search.place_of[self.apart.first])
        self._barred = _Cells.of(excluded.users[~shared_out], search.place_of[excluded.items[~shared_out]])
        self._boosted = self._added_up(*[part[~shared] for part in boosts])
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
        self._touched.clear(logits, block, row_of)
        columns = self._search.order[block.start : block.stop]
        for exclude in (False, True):
            if exclude:
                self._barred.clear(logits, block, row_of)
            for shelf, places in block.shelves:
                if self._search.shelves[shelf].exclude == exclude:
                    best = self.best[shelf]
                    if places is None:
                        best.push(logits, columns, rows)
                    else:
                        best.push(logits.take(places, axis=1), columns[places], rows)

    def _push_boosted(self, block: Block, pairs: _Boosted) -> None:
        """Single pairs of users who can find nothing else in the block."""
        search = self._search
        scores = self._dense(block.kind, pairs.users, pairs.places) + pairs.values
        for shelf, _ in block.shelves:
            kept = search.on_shelf[shelf, pairs.places]
            if search.shelves[shelf].exclude:
                kept &= ~pairs.barred
            self.best[shelf].push_pairs(scores[kept], search.order[pairs.places[kept]], pairs.users[kept])

    def visit_apart(self) -> None:
        """Single pairs that their users tell apart from the group of the item."""
        search, apart = self._search, self.apart
        users, places = apart.users, search.place_of[apart.first]
        limit = self._limits[users, search.block_of[places]] if len(users) else np.empty(0)
        floors = np.array([best.floor[users] for best in self.best]).reshape(len(self.best), len(users))
        reached = limit[apart.of] + apart.values >= floors.min(axis=0, initial=np.inf)[apart.of]
        pairs, at = np.unique(apart.of[reached], return_inverse=True)
        scores, kinds = np.empty(len(pairs), np.float32), search.item_kinds[search.order[places[pairs]]]
        for kind in np.unique(kinds):
            some = np.flatnonzero(kinds == kind)
            scores[some] = self._dense(kind, users[pairs[some]], places[pairs[some]])
        entry_scores, entry_pairs = scores[at] + apart.values[reached], pairs[at]
        for best, shelf, on in zip(self.best, search.shelves, search.on_shelf, strict=True):
            kept = on[places[entry_pairs]] & apart.open[shelf.exclude][reached]
            best.push_pairs(entry_scores[kept], apart.items[reached][kept], users[entry_pairs[kept]])

    def _dense(self, kind: int, users: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Scores [n] of single pairs with items of a kind, without boosts."""
        scores = np.empty(len(users), np.float32)
        for first in range(0, len(users), PAIRS_AT_ONCE):
            some = slice(first, first + PAIRS_AT_ONCE)
            left, right = self._weighted[kind][users[some]], self._search.vectors[places[some]]
            np.einsum("nd,nd->n", left, right, out=scores[some])
        return scores if kind == self._search.usual else scores + self._intercept[kind][users]

    def _boosts(self, users: Side, scorers: Scorers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Users, items and weighted values of all sparse scorers' pairs."""
        search, whole = self._search, np.empty(0, np.int64)
        values = [np.empty(0)]
        for place, pairs in enumerate(scorers.sparse, start=len(scorers.spans)):
            weight = search.steepness[users.kinds[pairs.users], search.item_kinds[pairs.items], place]
            values.append(weight * pairs.values)
        rows, items = ([whole, *[getattr(pairs, name) for pairs in scorers.sparse]] for name in ("users", "items"))
        return np.concatenate(rows), np.concatenate(items), np.concatenate(values)

    def _added_up(self, users: np.ndarray, items: np.ndarray, values: np.ndarray) -> _Boosted:
        """Boosts of items that stand for themselves alone, a pair once."""
        n_users = max(len(self._limits), 1)
        pair, pair_of = np.unique(self._search.place_of[items] * n_users + users, return_inverse=True)
        total = np.bincount(pair_of, values, len(pair)).astype(np.float32)
        barred = np.isin(pair, self._barred.places * n_users + self._barred.users)
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

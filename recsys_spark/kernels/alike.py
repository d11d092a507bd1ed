"""Items that no dense scorer tells apart: they are searched once, and all of them stand on lists in the order of ids.

A matrix product gives equal columns different last bits, as it takes those at the edges of its tiles another way. So of
many items with one vector it would be chance which are found. One item of each group is searched instead, and stands
for all. For a user, boosts and exclusions set members apart: those with a boost compete on their own, those that are
excluded not at all, and the lowest of the others stands for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

ROWS_AT_ONCE = 4096
"""Rows compared at once; at a width of 256 they are 4 MB a side."""


@dataclass(frozen=True)
class Alike:
    """Groups of equal items, numbered in the order of their lowest members."""

    first: np.ndarray
    """[groups]: the lowest member of each."""
    group_of: np.ndarray
    """[items]: the group of each."""

    @classmethod
    def of(cls, *told: np.ndarray) -> Alike:
        """Items are equal where all rows of these matrices [items, columns], float32 or of small integers, are."""
        n_items = len(told[0])
        marks = np.zeros(n_items, np.uint64)
        for seed, part in enumerate(told):
            marks += _marks(part, seed)
        _, first, of_mark = np.unique(marks, return_index=True, return_inverse=True)
        if len(first) == n_items:
            return cls(np.arange(n_items), np.arange(n_items))
        lowest = first[of_mark]
        others = np.flatnonzero(lowest != np.arange(n_items))
        same = np.logical_and.reduce([_equal_rows(part, others, lowest[others]) for part in told])
        lowest[others[~same]] = others[~same]  # marks that are equal by chance
        return cls(*np.unique(lowest, return_inverse=True))

    @property
    def any(self) -> bool:
        """Whether any items are equal."""
        return len(self.first) < len(self.group_of)

    @cached_property
    def size(self) -> np.ndarray:
        """[groups]: how many members each has."""
        return np.bincount(self.group_of, minlength=len(self.first))

    @cached_property
    def start(self) -> np.ndarray:
        """[groups]: where the members of each begin."""
        return np.cumsum(self.size) - self.size

    @cached_property
    def members(self) -> np.ndarray:
        """[items]: group by group, ascending in each."""
        return np.argsort(self.group_of, kind="stable")

    @cached_property
    def within(self) -> np.ndarray:
        """[items]: how many members of its group come before each."""
        found = np.empty(len(self.group_of), np.int64)
        found[self.members] = np.arange(len(found)) - np.repeat(self.start, self.size)
        return found

    def shared(self, items: np.ndarray) -> np.ndarray:
        """Whether each of these items [n] has others in its group."""
        return self.size[self.group_of[items]] > 1 if self.any else np.zeros(len(items), bool)


@dataclass(frozen=True)
class Apart:
    """Pairs of some users that boosts and exclusions set apart from the group of their item, where it has several."""

    alike: Alike
    boosted: np.ndarray
    """Ascending user * items + item: members that compete on their own."""
    excluded: np.ndarray
    """The same of members that some shelves leave out."""
    touched: np.ndarray
    """[touched], ascending user * groups + group: whose members are not all alike to the user."""
    n_apart: np.ndarray
    """[touched]: how many are set apart."""
    of: np.ndarray
    """[n]: the touched pair of user and group that each of these entries is of."""
    items: np.ndarray
    """[n]: a member with a boost, or the lowest of those that are not set apart."""
    values: np.ndarray
    """float32 [n]: its boost, or 0."""
    open: tuple[np.ndarray, np.ndarray]
    """[n] boolean each: whether it may stand on shelves that leave out nothing, and on those that leave out pairs."""

    @classmethod
    def among(
        cls, alike: Alike, boosted: tuple[np.ndarray, np.ndarray, np.ndarray], excluded: tuple[np.ndarray, np.ndarray]
    ) -> Apart:
        """From users, items and values [n] of boosts, added up where a pair comes again, and excluded users and items.

        All items are members of groups of several.
        """
        n_items, n_groups = len(alike.group_of), len(alike.first)
        with_boost, pair_of = np.unique(boosted[0] * n_items + boosted[1], return_inverse=True)
        left_out = np.unique(excluded[0] * n_items + excluded[1])
        every = np.union1d(with_boost, left_out)
        users, items = np.divmod(every, max(n_items, 1))
        touched, of = np.unique(users * n_groups + alike.group_of[items], return_inverse=True)
        has_boost = _held(every, with_boost)
        groups, entries = touched % max(n_groups, 1), [(of[has_boost], items[has_boost])]
        for apart in (has_boost, np.ones(len(every), bool)):
            before = _leading(alike.within[items[apart]], of[apart], len(touched))
            left = np.flatnonzero(before < alike.size[groups])
            entries.append((left, alike.members[alike.start[groups[left]] + before[left]]))
        kind = np.repeat([0, 1, 2], [len(at) for at, _ in entries])
        values = np.zeros(len(kind), np.float32)
        values[kind == 0] = np.bincount(pair_of, boosted[2], len(with_boost))
        unbarred = kind == 2
        unbarred[kind == 0] = ~_held(with_boost, left_out)
        at, lowest = (np.concatenate(part) for part in zip(*entries, strict=True))
        n_apart = np.bincount(of, minlength=len(touched))
        return cls(alike, with_boost, left_out, touched, n_apart, at, lowest, values, (kind < 2, unbarred))

    @property
    def users(self) -> np.ndarray:
        """[touched]: whose they are."""
        return self.touched // max(len(self.alike.first), 1)

    @property
    def first(self) -> np.ndarray:
        """[touched]: the lowest member of the group, set apart or not."""
        return self.alike.first[self.touched % max(len(self.alike.first), 1)]

    def expanded(
        self, users: np.ndarray, items: np.ndarray, logits: np.ndarray, length: int, exclude: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which entry each member is of, and the member; of each user as many as a list needs, or more.

        Args:
            users: [n], ascending: whose entries they are.
            items: [n]: entries that a search has picked, the best first of each user.
            logits: [n] of the entries.
            length: places of the list.
            exclude: whether it leaves out excluded pairs.
        """
        alike, n_items = self.alike, len(self.alike.group_of)
        groups = alike.group_of[items]
        for_all = alike.shared(items) & ~_held(users * n_items + items, self.boosted)
        n_apart = np.zeros(len(items), np.int64)
        key = users * len(alike.first) + groups
        of_touched = _held(key, self.touched)
        n_apart[of_touched] = self.n_apart[np.searchsorted(self.touched, key[of_touched])]
        behind = np.where(for_all, alike.size[groups] - alike.within[items], 1)
        sure = np.where(for_all, np.clip(behind - n_apart, 0, length), 1)
        # Who has enough better ones needs no more of them.
        before = np.cumsum(sure) - sure
        before -= before[np.searchsorted(users, users)]
        least = np.full(users.max(initial=0) + 1, np.inf)
        np.minimum.at(least, users[before < length], logits[before < length])
        some = np.flatnonzero(logits >= least[users])
        taken = np.minimum(behind, length + n_apart)[some]
        entry = np.repeat(some, taken)
        within = alike.within[items[entry]] + np.arange(len(entry)) - np.repeat(np.cumsum(taken) - taken, taken)
        members = alike.members[alike.start[groups[entry]] + within]
        key = users[entry] * n_items + members
        gone = _held(key, self.boosted) | _held(key, self.excluded) if exclude else _held(key, self.boosted)
        kept = ~(for_all[entry] & gone)
        return entry[kept], members[kept]


def _marks(rows: np.ndarray, seed: int) -> np.ndarray:
    """A number [rows] of each row, equal where the rows are and hardly ever elsewhere."""
    bits = np.ascontiguousarray(rows).view(np.uint32) if rows.dtype == np.float32 else rows.astype(np.uint32)
    factors = np.random.default_rng(seed).integers(0, 2**64, bits.shape[1], dtype=np.uint64) | np.uint64(1)
    return np.einsum("nw,w->n", bits, factors, dtype=np.uint64, casting="unsafe")


def _equal_rows(rows: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[n] boolean: whether rows one[n] and other[n] hold the same."""
    found = np.empty(len(one), bool)
    for start in range(0, len(one), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        found[some] = (rows[one[some]] == rows[other[some]]).all(axis=1)
    return found


def _leading(within: np.ndarray, of: np.ndarray, n: int) -> np.ndarray:
    """[n]: how many places 0, 1, 2, … follow without a gap; ``within`` are places, ascending in each of n parts."""
    order = np.argsort(of, kind="stable")
    within, of = within[order], of[order]
    rank = np.arange(len(of)) - np.searchsorted(of, of)
    return np.bincount(of[within == rank], minlength=n)


def _held(keys: np.ndarray, among: np.ndarray) -> np.ndarray:
    """[n] boolean: which of the keys are among others, which ascend."""
    if not len(among):
        return np.zeros(len(keys), bool)
    return among[np.minimum(np.searchsorted(among, keys), len(among) - 1)] == keys

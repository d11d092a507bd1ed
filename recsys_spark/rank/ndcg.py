"""How good an order of the candidates is: ndcg@10, and what of a rise is luck.

A rise must be larger than the luck of the users and of the items. Users share items: where few items are hidden, which
ones they are matters more than who the users are. So ndcg@10 is measured again without each part of the items: the
delete-a-group jackknife (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 11). A search asks this
thousands of times, so only the candidates near the top are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys_spark.rank.examples import DISCOUNT, PARTS, Examples, K

POOL = 20
"""Best candidates of a user that bound from below what a tried change must look at."""
CROWD = 60
"""With more candidates of a user than this above the bound, the best are searched among all of them."""
LOWEST = np.finfo(np.float32).min


@dataclass(frozen=True)
class Quality:
    """How good an order of the candidates is.

    Attributes:
        users: ndcg@10 of each user: [users].
        without: mean ndcg@10 without the items of each part, over the users that keep a positive; NaN where none does:
            [PARTS].
    """

    users: np.ndarray
    without: np.ndarray

    def clearly_above(self, other: Quality) -> bool:
        """Whether the mean is higher by more than one standard error over users and one over items.

        A search that takes every rise chases the luck of its users and items and does worse on others. Where one part
        holds every positive nothing is known of the luck of the items, and no rise is clear.
        """
        noise = self.noise(other)
        return bool(np.isfinite(noise) and self.rise(other) > max(noise, 1e-9))

    def rise(self, other: Quality) -> float:
        """How much higher the mean over users is."""
        return float((self.users - other.users).mean())

    def noise(self, other: Quality) -> float:
        """Standard error of the rise: over users or over items, whichever is larger; infinite where unknown."""
        rise, without = self.users - other.users, self.without - other.without
        over_users = rise.std(ddof=1) / np.sqrt(len(rise)) if len(rise) > 1 else 0.0
        over_items = np.sqrt((PARTS - 1) / PARTS * ((without - without.mean()) ** 2).sum())
        return float(max(over_users, over_items)) if np.isfinite(over_items) else np.inf


def ndcg(examples: Examples, weights: np.ndarray) -> np.ndarray:
    """Binary ndcg@10 of each user's candidates, ties to the earlier candidate: [users]."""
    return quality(examples, weights).users


def quality(examples: Examples, weights: np.ndarray) -> Quality:
    """Of the order by the weighted sums, ties to the earlier candidate."""
    mixed = examples.mix(weights)
    return judged(examples, mixed, pool_of(mixed))


def judged(examples: Examples, mixed: np.ndarray, pool: np.ndarray) -> Quality:
    """Quality of the order by mixed scores [users, candidates]; any pool gives the same, a good one gives it fast."""
    positives, above = _places(examples, mixed, _near_top(examples, mixed, pool))
    rows, part = np.divmod(examples.cell[positives], PARTS)
    place = np.empty((len(rows), 1 + PARTS), np.int64)
    np.sum(above, axis=1, out=place[:, 0])
    np.subtract(place[:, :1], above, out=place[:, 1:])
    gains = DISCOUNT[np.minimum(place, K, out=place)] * examples.gain[rows]
    gains[np.arange(len(rows)), 1 + part] = 0.0
    without = np.full(PARTS, np.nan)
    np.divide(gains[:, 1:].sum(axis=0), examples.left, out=without, where=examples.left > 0)
    return Quality(np.bincount(rows, gains[:, 0], len(examples)), without)


def pool_of(mixed: np.ndarray) -> np.ndarray:
    """Positions in the flat matrix of each user's best candidates, in no order: [at most POOL, users]."""
    n_users, n_columns = mixed.shape
    last = max(n_columns - POOL, 0)
    columns = np.argpartition(mixed, last, axis=1)[:, last:] if last else np.arange(n_columns)[None, :]
    return np.ascontiguousarray((columns + np.arange(n_users)[:, None] * n_columns).T)


def _near_top(examples: Examples, mixed: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Positions in the flat matrix, ascending, of each user's best K candidates and of those without any one part.

    Whatever is above a candidate among them is among them as well, so their places can be counted.
    """
    floor = mixed.ravel()[pool].min(axis=0, initial=np.inf)
    near = mixed >= np.maximum(floor, LOWEST)[:, None]
    found = np.flatnonzero(near)
    held = _held(examples, found)
    if len(found) > CROWD * len(examples):
        crowded = held.sum(axis=1) > CROWD
        near[crowded] = _best(mixed[crowded])
        found = np.flatnonzero(near)
        held = _held(examples, found)
    total = held.sum(axis=1)
    short = (total - held.max(axis=1) < K) & (total < examples.length)
    if short.any():
        near[short] = examples.real[short]
        found = np.flatnonzero(near)
    return found


def _held(examples: Examples, positions: np.ndarray) -> np.ndarray:
    """How many of the positions belong to each user and part: [users, PARTS]."""
    return np.bincount(examples.cell[positions], minlength=len(examples) * PARTS).reshape(-1, PARTS)


def _best(mixed: np.ndarray) -> np.ndarray:
    """Where each row's POOL largest scores are, ties to the lower column: boolean, of mixed's shape."""
    last = max(mixed.shape[1] - POOL, 0)
    floor = np.partition(mixed, last, axis=1)[:, last, None]
    above, equal = mixed > floor, mixed == floor
    room = POOL - above.sum(axis=1, keepdims=True)
    return (above | (equal & (np.cumsum(equal, axis=1) <= room))) & (mixed >= LOWEST)


def _places(examples: Examples, mixed: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives among the near positions, and how many candidates of each part stand above each: [positives, PARTS]."""
    scores, rows = mixed.ravel()[near], near // mixed.shape[1]
    own = np.flatnonzero(examples.label.ravel()[near])
    length = np.bincount(rows, minlength=len(examples))
    first, count = (np.cumsum(length) - length)[rows[own]], length[rows[own]]
    pair = np.repeat(np.arange(len(own)), count)
    other = np.arange(len(pair)) + np.repeat(first - np.cumsum(count) + count, count)
    mine, theirs = scores[own][pair], scores[other]
    above = np.flatnonzero((theirs > mine) | ((theirs == mine) & (other < own[pair])))
    key = pair[above] * PARTS + examples.part.ravel()[near[other[above]]]
    return near[own], np.bincount(key, minlength=len(own) * PARTS).reshape(-1, PARTS)

"""Candidates of simulated users as padded matrices, one a scorer: what weights and calibration are fitted to.

Items are hashed into parts, so that an order can be judged again without each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

K = 10
"""Places of a list that ndcg looks at."""
PARTS = 10
"""Groups of items that the jackknife takes out in turn."""
DISCOUNT = np.r_[1 / np.log2(np.arange(K) + 2), 0.0]
"""What a positive at each place gains, and one below place K."""
TINY = 1e-12


@dataclass(frozen=True)
class Examples:
    """Candidates of users, padded to the longest list.

    Attributes:
        scores: [scorers, users, candidates] float32; 0 where there is padding.
        label: [users, candidates], the user took the item.
        in_window: [users, candidates], it took it in the hold-out period.
        log_weight: [users, candidates], log of how many items the candidate stands for; -inf where there is padding.
        part: [users, candidates] int8, the group of items that the candidate belongs to, below PARTS.
        n_items: distinct items among the positives.
    """

    scores: np.ndarray
    label: np.ndarray
    in_window: np.ndarray
    log_weight: np.ndarray
    part: np.ndarray
    n_items: int

    @classmethod
    def of(
        cls,
        user: np.ndarray,
        scores: np.ndarray,
        label: np.ndarray,
        in_window: np.ndarray,
        weight: np.ndarray,
        part: np.ndarray,
        n_items: int,
    ) -> Examples:
        """From flat rows, those of one user side by side; users without a positive are left out."""
        change = np.r_[True, user[1:] != user[:-1]] if len(user) else np.empty(0, bool)
        taught = np.bincount(np.cumsum(change) - 1, label) > 0
        kept = np.repeat(taught, np.diff(np.r_[np.flatnonzero(change), len(user)]))
        starts = np.flatnonzero(change[kept])
        counts = np.diff(np.r_[starts, kept.sum()])
        shape = (len(starts), int(counts.max(initial=0)))
        place = np.arange(kept.sum()) + np.repeat(np.arange(len(starts)) * shape[1] - starts, counts)

        def padded(values: np.ndarray, empty: float | bool) -> np.ndarray:
            found = np.full(shape, empty, values.dtype)
            found.ravel()[place] = values[kept]
            return found

        layers = np.zeros((scores.shape[1], *shape), np.float32)
        for layer, values in zip(layers, scores.T, strict=True):
            layer.ravel()[place] = values[kept]
        log_weight = padded(np.log(weight).astype(np.float32), -np.inf)
        return cls(layers, padded(label, False), padded(in_window, False), log_weight, padded(part, 0), n_items)

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def real(self) -> np.ndarray:
        """Where there is a candidate and no padding: [users, candidates] boolean."""
        return np.isfinite(self.log_weight)

    @cached_property
    def _spread(self) -> np.ndarray:
        return np.array([_within(layer, self.real) for layer in self.scores])

    def scale(self) -> np.ndarray:
        """Standard deviation of each scorer over a user's candidates; 1 for a scorer that says nothing: [scorers].

        Users to whom the scorer says nothing do not count: known items that stand in for new ones have no vector of
        the deep model.
        """
        return np.where(self._spread > TINY, self._spread, 1.0)

    def speaking(self) -> np.ndarray:
        """Which scorers tell any two candidates apart: [scorers] boolean."""
        return self._spread > TINY

    def scaled(self) -> Examples:
        """The same with each scorer divided by its scale."""
        scores = self.scores / self.scale().astype(np.float32)[:, None, None]
        return Examples(scores, self.label, self.in_window, self.log_weight, self.part, self.n_items)

    def mix(self, weights: np.ndarray) -> np.ndarray:
        """Weighted sums [users, candidates] float32; -inf where there is padding.

        The scorers are added one after the other, so candidates that agree in all of them tie exactly.
        """
        found = np.where(self.real, np.float32(0), np.float32(-np.inf))
        term = np.empty_like(found)
        for scorer in np.flatnonzero(weights):
            found += np.multiply(self.scores[scorer], np.float32(weights[scorer]), out=term)
        return found

    def add(self, mixed: np.ndarray, scorer: int, weight: float) -> np.ndarray:
        """Mixed scores with one more scorer: [users, candidates] float32."""
        found = np.multiply(self.scores[scorer], np.float32(weight))
        found += mixed
        return found

    @cached_property
    def cell(self) -> np.ndarray:
        """User and part of each candidate as one number, user * PARTS + part: [users * candidates]."""
        return (np.arange(len(self))[:, None] * PARTS + self.part).ravel()

    @cached_property
    def gain(self) -> np.ndarray:
        """1 / ideal DCG of what is left of each user's positives: [users, 1 + PARTS], 0 where nothing is left.

        The first column is for all items, the others for those without one part.
        """
        held = np.bincount(self.cell[self.label.ravel()], minlength=len(self) * PARTS).reshape(-1, PARTS)
        whole = held.sum(axis=1, keepdims=True)
        ideal = np.cumsum(DISCOUNT[:K])
        return np.r_[0.0, 1 / ideal][np.minimum(np.hstack([whole, whole - held]), K)]

    @cached_property
    def left(self) -> np.ndarray:
        """Users that keep a positive without each part: [PARTS]."""
        return np.count_nonzero(self.gain[:, 1:], axis=0)

    @cached_property
    def length(self) -> np.ndarray:
        """Candidates of each user: [users]."""
        return self.real.sum(axis=1)


def _within(layer: np.ndarray, real: np.ndarray) -> float:
    """Root mean variance within those rows that hold different values; 0 where none does."""
    count = np.maximum(real.sum(axis=1), 1)
    mean = np.where(real, layer, 0.0).sum(axis=1, dtype=np.float64) / count
    away = np.where(real, layer - mean[:, None], 0.0)
    variance = np.einsum("uc,uc->u", away, away) / count
    told = variance > TINY
    return float(np.sqrt(variance[told].mean())) if told.any() else 0.0

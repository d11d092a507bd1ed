"""Non-negative weights of scorers and their calibration, fitted to the candidates of simulated users.

The weights first minimise the listwise softmax loss (Cao et al., Learning to Rank: From Pairwise Approach to Listwise
Approach, 2007), then a search by single weights raises ndcg@10, which is what the lists are judged by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from recsys_spark.kernels.tiles import largest

K = 10
L2 = 1e-3
FACTORS = (0.0, 0.5, 0.8, 1.25, 2.0)
"""Steps of the search for a weight above 0."""
ENTRIES = (0.05, 0.3)
"""Steps for a weight of 0, as shares of the largest weight."""
MAX_SWEEPS = 6
TINY = 1e-12


@dataclass(frozen=True)
class Examples:
    """Candidates of users, padded to the longest list.

    Attributes:
        scores: [users, candidates, scorers] float32.
        label: [users, candidates], the user took the item.
        in_window: [users, candidates], it took it in the hold-out period.
        log_weight: [users, candidates], log of how many items the candidate stands for; -inf where there is padding.
    """

    scores: np.ndarray
    label: np.ndarray
    in_window: np.ndarray
    log_weight: np.ndarray

    @classmethod
    def of(
        cls, user: np.ndarray, scores: np.ndarray, label: np.ndarray, in_window: np.ndarray, weight: np.ndarray
    ) -> Examples:
        """From flat rows, those of one user side by side; users without a positive are left out."""
        starts = np.flatnonzero(np.r_[True, user[1:] != user[:-1]]) if len(user) else np.empty(0, np.int64)
        counts = np.diff(np.r_[starts, len(user)])
        row = np.repeat(np.arange(len(starts)), counts)
        column = np.arange(len(user)) - np.repeat(starts, counts)
        shape = (len(starts), int(counts.max(initial=0)))

        def padded(values: np.ndarray, empty: float | bool) -> np.ndarray:
            found = np.full((*shape, *values.shape[1:]), empty, values.dtype)
            found[row, column] = values
            return found

        taught = padded(label, False)
        kept = taught.any(axis=1)
        log_weight = padded(np.log(weight).astype(np.float32), -np.inf)
        return cls(padded(scores, 0.0)[kept], taught[kept], padded(in_window, False)[kept], log_weight[kept])

    def __len__(self) -> int:
        return len(self.label)

    def scale(self) -> np.ndarray:
        """Standard deviation of each scorer over the candidates; 1 for a scorer that says nothing: [scorers]."""
        found = self.scores[np.isfinite(self.log_weight)].astype(np.float64).std(axis=0)
        return np.where(found > TINY, found, 1.0)

    def speaking(self) -> np.ndarray:
        """Which scorers tell any two candidates apart: [scorers] boolean."""
        real = self.scores[np.isfinite(self.log_weight)].astype(np.float64)
        return real.std(axis=0) > TINY

    def scaled(self) -> Examples:
        """The same with each scorer divided by its scale."""
        return Examples((self.scores / self.scale()).astype(np.float32), self.label, self.in_window, self.log_weight)

    def mix(self, weights: np.ndarray) -> np.ndarray:
        """Weighted sums [users, candidates]; -inf where there is padding."""
        return np.where(np.isfinite(self.log_weight), self.scores @ weights.astype(np.float32), -np.inf)


def ndcg(examples: Examples, weights: np.ndarray) -> np.ndarray:
    """Binary ndcg@10 of each user's candidates, ties to the earlier candidate: [users]."""
    scores = examples.mix(weights)
    rows, columns = largest(scores, K)
    order = np.lexsort((columns, -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    gains = examples.label[rows, columns] / np.log2(rank + 2)
    ideal = np.cumsum(1 / np.log2(np.arange(K) + 2))
    positives = np.minimum(examples.label.sum(axis=1), K)
    return np.bincount(rows, gains, len(examples)) / ideal[positives - 1]


def learn_weights(examples: Examples) -> np.ndarray:
    """Weights [scorers] for scaled examples; by ndcg@10 on them the best scorer alone is not clearly better."""
    speaking = examples.speaking()
    if not speaking.any():
        return np.zeros(len(speaking))
    singles = [single for single, speaks in zip(np.eye(len(speaking)), speaking, strict=True) if speaks]
    best_single = max(singles, key=lambda weights: ndcg(examples, weights).mean())
    mixed = np.where(speaking, listwise(examples), 0.0)
    from_single = _climb(examples, best_single, speaking)
    if not mixed.any():
        return from_single
    from_mixed = _climb(examples, mixed, speaking)
    single_wins = _clearly_better(ndcg(examples, from_single), ndcg(examples, from_mixed))
    return from_single if single_wins else from_mixed


def listwise(examples: Examples) -> np.ndarray:
    """Non-negative weights [scorers] that minimise the softmax loss with a small L2 penalty."""
    n_scorers = examples.scores.shape[2]
    target = examples.label / examples.label.sum(axis=1, keepdims=True)
    flat = examples.scores.reshape(-1, n_scorers)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = examples.mix(weights).astype(np.float64)
        # A candidate that stands for n items counts n times in the softmax's sum.
        total = logsumexp(mixed + examples.log_weight, axis=1, keepdims=True)
        expected = np.exp(mixed + examples.log_weight - total)
        value = (total[:, 0] - (target * np.where(target > 0, mixed, 0.0)).sum(axis=1)).mean()
        slope = flat.T @ (expected - target).astype(np.float32).ravel() / len(examples)
        return value + L2 * weights @ weights, slope.astype(np.float64) + 2 * L2 * weights

    start = np.full(n_scorers, 0.5)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * n_scorers)
    return np.maximum(found.x, 0.0)


def calibrate(examples: Examples, weights: np.ndarray) -> tuple[float, float]:
    """Slope > 0 and intercept of P(taken in the hold-out period) by weighted logistic regression.

    Pairs taken before the hold-out period say nothing about it and are left out; where none was taken in it, all
    positives count.
    """
    wanted = examples.label & examples.in_window
    if not wanted.any():
        wanted = examples.label
    used = np.isfinite(examples.log_weight) & (wanted | ~examples.label)
    score = examples.mix(weights)[used].astype(np.float64)
    return _logistic(score, wanted[used], np.exp(examples.log_weight[used].astype(np.float64)))


def _climb(examples: Examples, start: np.ndarray, speaking: np.ndarray) -> np.ndarray:
    """Change one weight at a time while ndcg@10 rises by more than its noise over the users."""
    best, reached = start.copy(), ndcg(examples, start)
    for _ in range(MAX_SWEEPS):
        before = best
        for scorer in np.flatnonzero(speaking):
            for value in _steps(best, scorer):
                tried = best.copy()
                tried[scorer] = value
                found = ndcg(examples, tried) if tried.any() else reached
                if _clearly_better(found, reached):
                    best, reached = tried, found
        if best is before:
            break
    return best


def _clearly_better(found: np.ndarray, reached: np.ndarray) -> bool:
    """Whether the mean over users rose by more than one standard error of the paired difference.

    A search that takes every rise chases the luck of its users and does worse on others.
    """
    rise = found - reached
    error = rise.std(ddof=1) / np.sqrt(len(rise)) if len(rise) > 1 else 0.0
    return bool(rise.mean() > max(error, 1e-9))


def _steps(weights: np.ndarray, scorer: int) -> list[float]:
    if weights[scorer] > 0:
        return [float(weights[scorer] * factor) for factor in FACTORS]
    return [float(weights.max() * share) for share in ENTRIES]


def _logistic(score: np.ndarray, wanted: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    mean, spread = score.mean(), max(score.std(), TINY)
    standard = (score - mean) / spread if spread > TINY else np.zeros_like(score)
    # One pseudo-observation on each side keeps the intercept finite where all labels agree.
    positives, negatives = weight[wanted].sum() + 1.0, weight[~wanted].sum() + 1.0

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, intercept = parameters
        logit = slope * standard + intercept
        residual = weight * (expit(logit) - wanted)
        value = (weight * (np.logaddexp(0.0, logit) - wanted * logit)).sum() + 0.5 * slope**2
        pull = expit(intercept) * 2 - 1
        value += 2 * np.logaddexp(0.0, intercept) - intercept
        gradient = np.array([residual @ standard + slope, residual.sum() + pull])
        return value / positives, gradient / positives

    start = np.array([1.0, np.log(positives / negatives)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)]).x
    slope = float(found[0] / spread) if spread > TINY else 1.0
    return slope, float(found[1] - slope * mean)

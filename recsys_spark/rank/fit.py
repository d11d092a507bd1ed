"""Non-negative weights of scorers and their calibration, fitted to the candidates of simulated users.

The weights first minimise the listwise softmax loss (Cao et al., Learning to Rank: From Pairwise Approach to Listwise
Approach, 2007), then a search by single weights raises ndcg@10, which is what the lists are judged by.

A step of the search must rise by more than the luck of the users and of the items. Users share items: where few items
are hidden, which ones they are matters more than who the users are. So items are hashed into groups, and the rise is
measured again without each of them: the delete-a-group jackknife (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, ch. 11).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

K = 10
L2 = 1e-3
"""Pull of the softmax loss towards the prior, whatever is seen."""
PRIOR_ITEMS = 10.0
"""Further pull that counts like so many hidden items."""
MIN_NOISE = 0.03
"""The least noise between two ends of the search, as a share of the best."""
FAINT = 0.01
"""Shares of the largest weight below this are dropped."""
FACTORS = (0.0, 0.5, 0.8, 1.25, 2.0)
"""Steps of the search for a weight above 0."""
ENTRIES = (0.05, 0.3)
"""Steps for a weight of 0, as shares of the largest weight."""
MAX_SWEEPS = 6
LOSS_TOLERANCE = 1e-6
"""Relative fall of the softmax loss that ends its descent; finer ones drown in float32."""
TINY = 1e-12
PARTS = 10
"""Groups of items that the jackknife takes out in turn."""
POOL = 20
"""Best candidates of a user that bound from below what a tried change must look at."""
CROWD = 60
"""With more candidates of a user than this above the bound, the best are searched among all of them."""
DISCOUNT = np.r_[1 / np.log2(np.arange(K) + 2), 0.0]
"""What a positive at each place gains, and one below place K."""
LOWEST = np.finfo(np.float32).min


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
        return np.array([layer[self.real].astype(np.float64).std() if len(self) else 0.0 for layer in self.scores])

    def scale(self) -> np.ndarray:
        """Standard deviation of each scorer over the candidates; 1 for a scorer that says nothing: [scorers]."""
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
    return _judged(examples, mixed, _pool(mixed))


def learn_weights(examples: Examples, prior: np.ndarray) -> np.ndarray:
    """Weights [scorers] that add up to 1, for scaled examples; all 0 where no scorer tells candidates apart.

    Three searches start from the best scorer alone, from the softmax loss, and from the softmax loss held to the prior.
    Their ends are averaged, each by exp(-lag / noise): where the items are few and the noise large nearly alike, where
    one end is clearly better it alone. An average of several good weightings varies less than the best of them; where
    the best is clearly above the average, it is taken as it is.

    Args:
        examples: scaled.
        prior: [scorers], what weights are expected before anything is seen.
    """
    speaking = examples.speaking()
    if not speaking.any():
        return np.zeros(len(speaking))
    singles = [single for single, speaks in zip(np.eye(len(speaking)), speaking, strict=True) if speaks]
    starts = [
        max(singles, key=lambda weights: ndcg(examples, weights).mean()),
        np.where(speaking, listwise(examples, prior, L2), 0.0),
        np.where(speaking, listwise(examples, prior, L2 + PRIOR_ITEMS / max(examples.n_items, 1)), 0.0),
    ]
    ends = [_climb(examples, start, speaking) for start in starts if start.any()]
    best = max((found for _, found in ends), key=lambda found: found.users.mean())
    votes = [np.exp(-best.rise(found) / max(best.noise(found), MIN_NOISE * best.users.mean())) for _, found in ends]
    average = np.average([weights / weights.sum() for weights, _ in ends], axis=0, weights=votes)
    # What only a hopeless end had left in must not cost a block in every product.
    average = np.where(average < FAINT * average.max(), 0.0, average)
    if best.clearly_above(quality(examples, average)):
        average = next(weights / weights.sum() for weights, found in ends if found is best)
    return average


def listwise(examples: Examples, prior: np.ndarray, strength: float) -> np.ndarray:
    """Non-negative weights [scorers] that minimise the softmax loss + strength * |weights - prior|²."""
    n_scorers = len(examples.scores)
    target = (examples.label / examples.label.sum(axis=1, keepdims=True)).astype(np.float32)
    wanted = np.einsum("suc,uc->su", examples.scores, target).mean(axis=1, dtype=np.float64)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        # A candidate that stands for n items counts n times in the softmax's sum.
        mixed = examples.mix(weights) + examples.log_weight
        highest = mixed.max(axis=1, keepdims=True)
        share = np.exp(np.subtract(mixed, highest, out=mixed), out=mixed)
        total = share.sum(axis=1, keepdims=True, dtype=np.float64)
        value = (np.log(total) + highest).mean() - wanted @ weights
        share /= total.astype(np.float32)
        expected = np.einsum("suc,uc->su", examples.scores, share).mean(axis=1, dtype=np.float64)
        away = weights - prior
        return value + strength * away @ away, expected - wanted + 2 * strength * away

    start = np.full(n_scorers, 0.5)
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * n_scorers, options={"ftol": LOSS_TOLERANCE}
    )
    return np.maximum(found.x, 0.0)


def calibrate(examples: Examples, weights: np.ndarray) -> tuple[float, float]:
    """Slope > 0 and intercept of P(taken in the hold-out period) by weighted logistic regression.

    Pairs taken before the hold-out period say nothing about it and are left out; where none was taken in it, all
    positives count.
    """
    wanted = examples.label & examples.in_window
    if not wanted.any():
        wanted = examples.label
    used = examples.real & (wanted | ~examples.label)
    score = examples.mix(weights)[used].astype(np.float64)
    return _logistic(score, wanted[used], np.exp(examples.log_weight[used].astype(np.float64)))


def _climb(examples: Examples, start: np.ndarray, speaking: np.ndarray) -> tuple[np.ndarray, Quality]:
    """Change one weight at a time while ndcg@10 clearly rises; a round of scorers without a change ends it."""
    best, pool = start.copy(), _pool(examples.mix(start))
    reached = quality(examples, start)
    scorers, idle = np.flatnonzero(speaking), 0
    for scorer in np.tile(scorers, MAX_SWEEPS):
        others = np.where(np.arange(len(best)) == scorer, 0.0, best)
        rest, before = examples.mix(others), best
        # The order by one scorer does not hang on its weight.
        for value in _steps(best, scorer) if others.any() else []:
            tried = examples.add(rest, scorer, value)
            found = _judged(examples, tried, pool)
            if found.clearly_above(reached):
                best, reached, pool = others.copy(), found, _pool(tried)
                best[scorer] = value
        idle = idle + 1 if best is before else 0
        if idle == len(scorers):
            break
    return best, reached


def _judged(examples: Examples, mixed: np.ndarray, pool: np.ndarray) -> Quality:
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


def _pool(mixed: np.ndarray) -> np.ndarray:
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

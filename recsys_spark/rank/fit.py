"""Non-negative weights of scorers, fitted to the candidates of simulated users.

The weights first minimise the listwise softmax loss, then a search by single weights raises ndcg@10, which is what the
lists are judged by. Each step of the search must rise by more than luck (see ndcg), and where few items were hidden the
weights stay near a prior.
"""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.softmax import softmax_weights
from recsys_spark.rank.examples import TINY, Examples
from recsys_spark.rank.ndcg import Quality, judged, ndcg, pool_of, quality

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
    # TINY counts where no end brings a positive to the top: none rises, and all have equal votes.
    least = max(MIN_NOISE * best.users.mean(), TINY)
    votes = [np.exp(-best.rise(found) / max(best.noise(found), least)) for _, found in ends]
    average = np.average([weights / weights.sum() for weights, _ in ends], axis=0, weights=votes)
    # What only a hopeless end had left in must not cost a block in every product.
    average = np.where(average < FAINT * average.max(), 0.0, average)
    if best.clearly_above(quality(examples, average)):
        average = next(weights / weights.sum() for weights, found in ends if found is best)
    return average


def listwise(examples: Examples, prior: np.ndarray, strength: float) -> np.ndarray:
    """Non-negative weights [scorers] that minimise the softmax loss + strength * |weights - prior|²."""
    return softmax_weights(examples.scores, examples.label, prior, strength, examples.log_weight)[0]


def _climb(examples: Examples, start: np.ndarray, speaking: np.ndarray) -> tuple[np.ndarray, Quality]:
    """Change one weight at a time while ndcg@10 clearly rises; a round of scorers without a change ends it."""
    best, pool = start.copy(), pool_of(examples.mix(start))
    reached = quality(examples, start)
    scorers, idle = np.flatnonzero(speaking), 0
    for scorer in np.tile(scorers, MAX_SWEEPS):
        others = np.where(np.arange(len(best)) == scorer, 0.0, best)
        rest, before = examples.mix(others), best
        # The order by one scorer does not hang on its weight.
        for value in _steps(best, scorer) if others.any() else []:
            tried = examples.add(rest, scorer, value)
            found = judged(examples, tried, pool)
            if found.clearly_above(reached):
                best, reached, pool = others.copy(), found, pool_of(tried)
                best[scorer] = value
        idle = idle + 1 if best is before else 0
        if idle == len(scorers):
            break
    return best, reached


def _steps(weights: np.ndarray, scorer: int) -> list[float]:
    if weights[scorer] > 0:
        return [float(weights[scorer] * factor) for factor in FACTORS]
    return [float(weights.max() * share) for share in ENTRIES]

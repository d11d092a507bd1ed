"""Non-negative weights of several scores of the same candidates, fitted to which of them were taken.

The listwise softmax loss (Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, 2007), which for
one positive a list is the conditional logit model (McFadden 1974).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

START = 0.5
TOLERANCE = 1e-6
"""Relative fall of the loss that ends its descent; finer ones drown in float32."""


def softmax_weights(
    scores: np.ndarray, label: np.ndarray, prior: np.ndarray, strength: float, log_weight: np.ndarray
) -> tuple[np.ndarray, float]:
    """Weights [scorers] that minimise the mean softmax loss of the weighted sums, and what is left of it.

    To the loss comes strength * |weights - prior|².

    Args:
        scores: [scorers, lists, candidates] float32.
        label: [lists, candidates] boolean, what was taken; every list has one at least.
        prior: [scorers].
        strength: pull towards the prior.
        log_weight: [lists, candidates] or what spreads to it: log of how many items a candidate stands for, -inf for
            padding.
    """
    target = (label / label.sum(axis=1, keepdims=True)).astype(np.float32)
    wanted = np.einsum("suc,uc->su", scores, target).mean(axis=1, dtype=np.float64)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        # A candidate that stands for n items counts n times in the softmax's sum.
        mixed = np.tensordot(weights.astype(np.float32), scores, axes=1) + log_weight
        highest = mixed.max(axis=1, keepdims=True)
        share = np.exp(np.subtract(mixed, highest, out=mixed), out=mixed)
        total = share.sum(axis=1, keepdims=True, dtype=np.float64)
        value = (np.log(total) + highest).mean() - wanted @ weights
        share /= total.astype(np.float32)
        expected = np.einsum("suc,uc->su", scores, share).mean(axis=1, dtype=np.float64)
        away = weights - prior
        return value + strength * away @ away, expected - wanted + 2 * strength * away

    found = minimize(
        loss,
        np.full(len(scores), START),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * len(scores),
        options={"ftol": TOLERANCE},
    )
    return np.maximum(found.x, 0.0), float(found.fun)

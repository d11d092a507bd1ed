"""Probabilities from weighted scores: how likely a user takes an item in the hold-out period."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from recsys_spark.rank.examples import TINY, Examples


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

"""Ridge regression on sparse rows for many targets at once, by conjugate gradients; memory grows with the non-zeros."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

TOLERANCE = 1e-5
"""Relative size of the residual at which a target is solved."""


def ridge(x: sp.csr_matrix, y: np.ndarray, penalty: np.ndarray, iterations: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Weights of penalised least squares: minimise |X W - (Y - mean)|² + sum_ft penalty_ft W_ft².

    Jacobi-preconditioned conjugate gradients, all targets side by side (Golub and Van Loan 2013, ch. 11).

    Args:
        x: [rows, features].
        y: [rows, targets].
        penalty: [features, targets], each above 0.
        iterations: at most so many.

    Returns:
        W [features, targets] and the mean [targets] of y, which is the intercept.
    """
    mean = y.mean(axis=0, dtype=np.float64)
    x = x.astype(np.float64)
    residual = x.T @ (y - mean)
    weights = np.zeros_like(residual)
    scale = 1.0 / (np.asarray(x.multiply(x).sum(axis=0)).reshape(-1, 1) + penalty)
    goal = TOLERANCE**2 * np.maximum((residual * scale * residual).sum(axis=0), 1e-300)
    preconditioned = scale * residual
    direction, size = preconditioned, (residual * preconditioned).sum(axis=0)
    for _ in range(iterations):
        open_targets = size > goal
        if not open_targets.any():
            break
        image = x.T @ (x @ direction) + penalty * direction
        step = np.where(open_targets, size / np.maximum((direction * image).sum(axis=0), 1e-300), 0.0)
        weights += step * direction
        residual = residual - step * image
        preconditioned = scale * residual
        new_size = (residual * preconditioned).sum(axis=0)
        direction = preconditioned + np.where(open_targets, new_size / np.maximum(size, 1e-300), 0.0) * direction
        size = np.where(open_targets, new_size, size)
    return weights, mean

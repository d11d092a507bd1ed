"""Ridge regression on sparse rows for many targets at once, by conjugate gradients; memory grows with the non-zeros."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sp

TOLERANCE = 1e-5
"""Relative size of the residual at which a target is solved."""
TARGETS_AT_ONCE = 32
"""Targets that are solved side by side; so many columns of the products stay in a core's cache."""


def ridge(x: sp.csr_matrix, y: np.ndarray, penalty: np.ndarray, iterations: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Weights of penalised least squares: minimise |X W - (Y - mean)|² + sum_ft penalty_ft W_ft².

    Jacobi-preconditioned conjugate gradients, groups of targets side by side (Golub and Van Loan 2013, ch. 11).

    Args:
        x: [rows, features].
        y: [rows, targets].
        penalty: [features, targets], each above 0.
        iterations: at most so many.

    Returns:
        W [features, targets] and the mean [targets] of y, which is the intercept.
    """
    mean = y.mean(axis=0, dtype=np.float64)
    # Products wait for memory, of which float32 needs half; dot products are summed in float64.
    x = x.astype(np.float32)
    transposed, squares = x.T.tocsr(), np.asarray(x.multiply(x).sum(axis=0), np.float32).reshape(-1, 1)
    starts = range(0, y.shape[1], TARGETS_AT_ONCE)

    def solve(start: int) -> np.ndarray:
        some = slice(start, start + TARGETS_AT_ONCE)
        centred = (y[:, some] - mean[some]).astype(np.float32)
        return _solved(x, transposed, squares, centred, penalty[:, some].astype(np.float32), iterations)

    # SciPy leaves Python's lock in products, so the groups of targets do not wait for each other.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(solve, starts))
    return np.hstack(parts) if parts else np.zeros((x.shape[1], 0)), mean


def _solved(
    x: sp.csr_matrix,
    transposed: sp.csr_matrix,
    squares: np.ndarray,
    y: np.ndarray,
    penalty: np.ndarray,
    iterations: int,
) -> np.ndarray:
    """Weights of some targets; ``squares`` [features, 1] are the sums of squares of x."""
    residual = transposed @ y
    weights = np.zeros_like(residual)
    scale = 1.0 / (squares + penalty)
    preconditioned = scale * residual
    direction, size = preconditioned.copy(), _dots(residual, preconditioned)
    goal = TOLERANCE**2 * np.maximum(size, 1e-300)
    term = np.empty_like(residual)
    for _ in range(iterations):
        open_targets = size > goal
        if not open_targets.any():
            break
        image = transposed @ (x @ direction)
        image += np.multiply(penalty, direction, out=term)
        step = _ratios(open_targets, size, _dots(direction, image))
        weights += np.multiply(step, direction, out=term)
        residual -= np.multiply(step, image, out=term)
        np.multiply(scale, residual, out=preconditioned)
        new_size = _dots(residual, preconditioned)
        direction *= _ratios(open_targets, new_size, size)
        direction += preconditioned
        size = np.where(open_targets, new_size, size)
    return weights


def _dots(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Dot products of the columns: [targets] float64."""
    return (left * right).sum(axis=0, dtype=np.float64)


def _ratios(open_targets: np.ndarray, over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Ratios of the targets that are still open, 0 for the others: [targets] float32."""
    return np.where(open_targets, over / np.maximum(under, 1e-300), 0.0).astype(np.float32)

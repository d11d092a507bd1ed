"""What scores can be at most, from how large the parts of two vectors are that scorers multiply."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUNDING = 2e-5
"""By this share of the sum of the parts' sizes, products in float32 may be off; at a few hundred columns they are less.
"""


def sizes_of(vectors: np.ndarray, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """[rows, spans] float64: the value of a span of one column, the length of a wider one."""
    found = np.empty((len(vectors), len(spans)))
    for place, (start, width) in enumerate(spans):
        part = vectors[:, start : start + width]
        found[:, place] = part[:, 0] if width == 1 else np.sqrt(np.einsum("nd,nd->n", part, part, dtype=np.float64))
    return found


def bounds(sizes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """[users, blocks]: the most that a score can be, rounding counted in."""
    most = np.maximum(sizes, 0.0) @ high.T + np.minimum(sizes, 0.0) @ low.T
    return most + ROUNDING * (np.abs(sizes) @ np.maximum(np.abs(low), np.abs(high)).T)

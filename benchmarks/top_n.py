"""Exact top-10 by the tile kernel, against sorting every score in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys_spark.kernels.tiles import Mixture, Pairs, Scorers, Shelf, Side, top_n

USERS, ITEMS, WIDTH, LENGTH = 2_000, 20_000, 64, 10
BASELINE = "numpy, every score sorted"


def cases(seed: int = 0) -> tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]:
    """The kernel and the baseline; both return items [users, length], best first."""
    rng = np.random.default_rng(seed)
    users = rng.standard_normal((USERS, WIDTH), dtype=np.float32)
    items = rng.standard_normal((ITEMS, WIDTH), dtype=np.float32)
    one_kind = Mixture(np.ones((1, 1, 1)), np.ones((1, 1)), np.zeros((1, 1)))
    none = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))

    def kernel() -> np.ndarray:
        left = Side(users, np.zeros(USERS, np.int64))
        right = Side(items, np.zeros(ITEMS, np.int64))
        shelves = [Shelf(np.arange(ITEMS), LENGTH)]
        return top_n(left, right, Scorers(((0, WIDTH),)), one_kind, shelves, none).item.reshape(USERS, LENGTH)

    def baseline() -> np.ndarray:
        # In pieces, because all scores at once are 160 MB and a sort of them twice that again.
        pieces = [np.argsort(-(part @ items.T), axis=1)[:, :LENGTH] for part in np.array_split(users, 10)]
        return np.concatenate(pieces)

    return kernel, baseline

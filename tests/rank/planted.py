"""Candidates with a known right answer, as examples."""

from __future__ import annotations

import numpy as np

from recsys_spark.rank.examples import PARTS, Examples


def examples_of(scores, label, in_window=None, weight=None, part=None):
    """From dense arrays [users, candidates, scorers] and [users, candidates]."""
    n_users, n_candidates = label.shape
    flat = np.ones(label.size) if weight is None else weight.ravel()
    return Examples.of(
        np.repeat(np.arange(n_users), n_candidates),
        scores.reshape(label.size, -1).astype(np.float32),
        label.ravel(),
        (label if in_window is None else in_window).ravel(),
        flat,
        np.tile(np.arange(n_candidates) % PARTS, n_users).astype(np.int8) if part is None else part.ravel(),
        int(label.any(axis=0).sum()),
    )


def planted(seed=0, n_users=60, n_candidates=30, truth=(2.0, 1.0, 0.0)):
    """The positives are the two best by a known mixture with some noise."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n_users, n_candidates, len(truth)))
    ideal = scores @ np.array(truth) + 0.3 * rng.normal(size=(n_users, n_candidates))
    return examples_of(scores, ideal >= np.sort(ideal, axis=1)[:, -2:-1])

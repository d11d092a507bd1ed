"""Padded candidates, and their weighted sums."""

from __future__ import annotations

import numpy as np
from planted import planted

from recsys_spark.rank.examples import Examples


def test_lists_of_different_length_are_padded_and_users_without_positives_left_out():
    examples = Examples.of(
        np.array([4, 4, 7, 9, 9, 9]),
        np.arange(6, dtype=np.float32)[:, None],
        np.array([True, False, False, False, True, False]),
        np.zeros(6, bool),
        np.array([1.0, 5.0, 1.0, 1.0, 1.0, 2.0]),
        np.array([3, 4, 5, 6, 7, 8], np.int8),
        2,
    )
    assert len(examples) == 2
    np.testing.assert_allclose(np.exp(examples.log_weight), [[1, 5, 0], [1, 1, 2]])
    assert examples.scores.tolist() == [[[0, 1, 0], [3, 4, 5]]]
    assert examples.part.tolist() == [[3, 4, 0], [6, 7, 8]]


def test_one_scorer_added_to_the_others_is_the_full_mixture():
    examples, weights = planted(), np.array([0.7, 0.0, 1.3])
    for scorer in range(3):
        others = np.where(np.arange(3) == scorer, 0.0, weights)
        for value in (0.0, 0.4, 2.0):
            full = np.where(np.arange(3) == scorer, value, weights)
            added = examples.add(examples.mix(others), scorer, value)
            np.testing.assert_allclose(added, examples.mix(full), rtol=1e-5, atol=1e-6)

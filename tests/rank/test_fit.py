"""Weights and calibration on candidates whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from recsys_spark.rank.fit import Examples, calibrate, learn_weights, listwise, ndcg


def examples_of(scores, label, in_window=None, weight=None):
    """From dense arrays [users, candidates, scorers] and [users, candidates]."""
    n_users, n_candidates = label.shape
    flat = np.ones(label.size) if weight is None else weight.ravel()
    return Examples.of(
        np.repeat(np.arange(n_users), n_candidates),
        scores.reshape(label.size, -1).astype(np.float32),
        label.ravel(),
        (label if in_window is None else in_window).ravel(),
        flat,
    )


def planted(seed=0, n_users=60, n_candidates=30, truth=(2.0, 1.0, 0.0)):
    """The positives are the two best by a known mixture with some noise."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n_users, n_candidates, len(truth)))
    ideal = scores @ np.array(truth) + 0.3 * rng.normal(size=(n_users, n_candidates))
    return examples_of(scores, ideal >= np.sort(ideal, axis=1)[:, -2:-1])


def test_ndcg_as_fractions():
    scores = np.array([[[3.0], [2.0], [1.0]], [[1.0], [1.0], [1.0]]])
    label = np.array([[False, True, False], [False, False, True]])
    # Second place; third place by the tie rule.
    expected = [1 / np.log2(3), 1 / np.log2(4)]
    np.testing.assert_allclose(ndcg(examples_of(scores, label), np.ones(1)), expected)


def test_lists_of_different_length_are_padded_and_users_without_positives_left_out():
    examples = Examples.of(
        np.array([4, 4, 7, 9, 9, 9]),
        np.arange(6, dtype=np.float32)[:, None],
        np.array([True, False, False, False, True, False]),
        np.zeros(6, bool),
        np.array([1.0, 5.0, 1.0, 1.0, 1.0, 2.0]),
    )
    assert len(examples) == 2
    np.testing.assert_allclose(np.exp(examples.log_weight), [[1, 5, 0], [1, 1, 2]])
    assert examples.scores[1, :, 0].tolist() == [3, 4, 5]


def test_the_mixture_beats_every_single_scorer_and_finds_the_planted_order_of_weights():
    examples = planted().scaled()
    weights = learn_weights(examples)
    best_single = max(ndcg(examples, single).mean() for single in np.eye(3))
    assert ndcg(examples, weights).mean() > best_single + 0.05
    assert weights[0] > weights[1] > weights[2] >= 0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), n_users=st.integers(1, 8), n_candidates=st.integers(2, 15))
def test_no_single_scorer_is_better_by_more_than_noise_and_no_weight_is_negative(seed, n_users, n_candidates):
    examples = planted(seed, n_users, n_candidates, truth=(1.0, -1.0, 0.0)).scaled()
    weights = learn_weights(examples)
    assert (weights >= 0).all()
    for single in np.eye(3):
        rise = ndcg(examples, single) - ndcg(examples, weights)
        noise = rise.std(ddof=1) / np.sqrt(len(rise)) if len(rise) > 1 else 0.0
        assert rise.mean() <= max(noise, 1e-9)


def test_a_scorer_that_says_nothing_has_weight_0_and_scale_1():
    examples = planted()
    silent = Examples(
        np.concatenate([examples.scores, np.zeros((*examples.label.shape, 1), np.float32)], axis=2),
        examples.label,
        examples.in_window,
        examples.log_weight,
    )
    assert silent.scale()[3] == 1
    assert learn_weights(silent.scaled())[3] == 0
    nothing = examples_of(np.zeros((2, 3, 2)), np.eye(2, 3, dtype=bool))
    assert learn_weights(nothing).tolist() == [0, 0]


def test_listwise_weights_are_a_minimum_of_the_written_out_loss():
    examples = planted(seed=3, n_users=10)

    def loss(weights):
        total = 0.0
        for scores, label in zip(examples.scores.astype(float), examples.label, strict=True):
            logits = scores @ weights
            total += np.log(np.exp(logits).sum()) - logits[label].mean()
        return total / len(examples) + 1e-3 * weights @ weights

    found = listwise(examples)
    slope = approx_fprime(found, loss, 1e-6)
    assert np.all((np.abs(slope) < 2e-3) | ((found == 0) & (slope > 0)))


def test_calibration_recovers_a_planted_probability():
    rng = np.random.default_rng(1)
    score = rng.normal(size=(300, 60, 1))
    label = rng.random((300, 60)) < 1 / (1 + np.exp(-(1.5 * score[:, :, 0] - 2.0)))
    slope, intercept = calibrate(examples_of(score, label), np.ones(1))
    assert slope == pytest.approx(1.5, abs=0.1)
    assert intercept == pytest.approx(-2.0, abs=0.1)


def test_a_negative_that_stands_for_many_lowers_the_probability():
    score, label = np.zeros((1, 2, 1)), np.array([[True, False]])
    light = calibrate(examples_of(score, label), np.ones(1))
    heavy = calibrate(examples_of(score, label, weight=np.array([[1.0, 99.0]])), np.ones(1))
    assert light[1] == pytest.approx(0.0, abs=1e-3)
    assert 1 / (1 + np.exp(-heavy[1])) == pytest.approx(2 / 102, rel=1e-2)  # one pseudo-observation on each side


def test_pairs_taken_before_the_window_do_not_count_either_way():
    score, label = np.zeros((1, 4, 1)), np.array([[True, True, True, False]])
    window = np.array([[True, False, False, False]])
    assert calibrate(examples_of(score, label, window), np.ones(1))[1] == pytest.approx(0.0, abs=1e-3)


def test_slope_stays_above_0_where_the_score_misleads():
    score = np.array([[[0.0], [1.0]]])
    assert calibrate(examples_of(np.repeat(score, 50, 0), np.tile([[True, False]], (50, 1))), np.ones(1))[0] > 0

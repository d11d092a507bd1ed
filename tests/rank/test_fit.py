"""Weights learned from candidates whose right answer is known."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import examples_of, planted
from scipy.optimize import approx_fprime

from recsys_spark.rank.examples import Examples
from recsys_spark.rank.fit import learn_weights, listwise
from recsys_spark.rank.ndcg import ndcg, quality

EVEN = np.full(3, 0.3)


def test_the_same_examples_teach_the_same_weights():
    assert learn_weights(planted(7).scaled(), EVEN).tolist() == learn_weights(planted(7).scaled(), EVEN).tolist()


def test_the_mixture_beats_every_single_scorer_and_finds_the_planted_order_of_weights():
    examples = planted().scaled()
    weights = learn_weights(examples, EVEN)
    best_single = max(ndcg(examples, single).mean() for single in np.eye(3))
    assert ndcg(examples, weights).mean() > best_single + 0.05
    assert weights[0] > weights[1] > weights[2] >= 0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), n_users=st.integers(1, 8), n_candidates=st.integers(2, 15))
def test_no_single_scorer_is_better_by_more_than_noise_and_no_weight_is_negative(seed, n_users, n_candidates):
    examples = planted(seed, n_users, n_candidates, truth=(1.0, -1.0, 0.0)).scaled()
    weights = learn_weights(examples, EVEN)
    assert (weights >= 0).all()
    for single in np.eye(3):
        assert not quality(examples, single).clearly_above(quality(examples, weights))


def test_a_scorer_that_says_nothing_has_weight_0_and_scale_1():
    examples = planted()
    silent = Examples(
        np.concatenate([examples.scores, np.zeros((1, *examples.label.shape), np.float32)]),
        examples.label,
        examples.in_window,
        examples.log_weight,
        examples.part,
        examples.n_items,
    )
    assert silent.scale()[3] == 1
    assert learn_weights(silent.scaled(), np.ones(4))[3] == 0
    nothing = examples_of(np.zeros((2, 3, 2)), np.eye(2, 3, dtype=bool))
    assert learn_weights(nothing, np.ones(2)).tolist() == [0, 0]


def test_where_no_order_brings_a_positive_to_the_top_the_ends_of_the_search_have_equal_votes():
    scores, label = np.random.default_rng(0).uniform(1.0, 2.0, (30, 60, 3)), np.eye(30, 60, dtype=bool)
    scores[label] = 0.0
    weights = learn_weights(examples_of(scores, label).scaled(), EVEN)
    assert (weights >= 0).all()
    assert np.isclose(weights.sum(), 1.0)


def test_few_hidden_items_keep_the_weights_near_the_prior():
    examples = planted(5, n_users=4).scaled()
    prior = np.array([0.0, 0.5, 0.5])
    held = listwise(examples, prior, 10.0)
    np.testing.assert_allclose(held, prior, atol=0.1)
    free = listwise(examples, prior, 1e-3)
    assert np.abs(free - prior).max() > 0.5


def test_listwise_weights_are_a_minimum_of_the_written_out_loss():
    examples = planted(seed=3, n_users=10)

    def loss(weights):
        total = 0.0
        for scores, label in zip(np.moveaxis(examples.scores, 0, 2).astype(float), examples.label, strict=True):
            logits = scores @ weights
            total += np.log(np.exp(logits).sum()) - logits[label].mean()
        away = weights - prior
        return total / len(examples) + 1e-2 * away @ away

    prior = np.array([0.3, 0.6, 0.1])
    found = listwise(examples, prior, 1e-2)
    slope = approx_fprime(found, loss, 1e-6)
    assert np.all((np.abs(slope) < 2e-3) | ((found == 0) & (slope > 0)))

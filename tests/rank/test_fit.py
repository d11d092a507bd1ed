"""Weights and calibration on candidates whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from recsys_spark.rank.fit import (
    PARTS,
    Examples,
    Quality,
    _judged,
    _pool,
    calibrate,
    learn_weights,
    listwise,
    ndcg,
    quality,
)

EVEN = np.full(3, 0.3)


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


def test_ndcg_as_fractions():
    scores = np.array([[[3.0], [2.0], [1.0]], [[1.0], [1.0], [1.0]]])
    label = np.array([[False, True, False], [False, False, True]])
    # Second place; third place by the tie rule.
    expected = [1 / np.log2(3), 1 / np.log2(4)]
    np.testing.assert_allclose(ndcg(examples_of(scores, label), np.ones(1)), expected)


def ndcg_by_hand(mixed, label):
    """Of one user's candidates; NaN without a positive."""
    order = sorted(range(len(mixed)), key=lambda place: (-mixed[place], place))[:10]
    ideal = sum(1 / np.log2(rank + 2) for rank in range(min(label.sum(), 10)))
    return sum(label[place] / np.log2(rank + 2) for rank, place in enumerate(order)) / ideal if ideal else np.nan


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    n_candidates=st.integers(1, 120),
    levels=st.sampled_from([1, 2, 5, 1_000]),
    parts=st.integers(1, PARTS),
)
def test_quality_is_the_one_by_hand_with_all_items_and_without_each_part(seed, n_candidates, levels, parts):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (6, n_candidates, 2)).astype(float)
    label = rng.random((6, n_candidates)) < rng.choice([0.05, 0.3])
    label[:, 0] |= ~label.any(axis=1)
    part = rng.integers(0, parts, (6, n_candidates)).astype(np.int8)
    found = quality(examples_of(scores, label, part=part), np.array([1.0, 2.0]))
    mixed = scores @ [1.0, 2.0]
    np.testing.assert_allclose(found.users, [ndcg_by_hand(*user) for user in zip(mixed, label, strict=True)])
    for taken_out in range(PARTS):
        kept = [(m[p != taken_out], t[p != taken_out]) for m, t, p in zip(mixed, label, part, strict=True)]
        each = np.array([ndcg_by_hand(*user) for user in kept])
        expected = np.nan if np.isnan(each).all() else np.nanmean(each)
        np.testing.assert_allclose(found.without[taken_out], expected)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1_000), change=st.sampled_from([0.0, 0.5, 1.25, 20.0]), levels=st.sampled_from([2, 1_000]))
def test_quality_does_not_hang_on_the_pool_that_bounds_the_search(seed, change, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (20, 150, 3)).astype(float)
    examples = examples_of(scores, rng.random((20, 150)) < 0.1, part=rng.integers(0, 3, (20, 150)).astype(np.int8))
    old = examples.mix(np.array([1.0, 2.0, 3.0]))
    changed = examples.mix(np.array([1.0, 2.0 * change, 3.0]))
    one, other = _judged(examples, changed, _pool(old)), _judged(examples, changed, _pool(changed))
    assert one.users.tolist() == other.users.tolist()
    assert one.without.tolist() == other.without.tolist()


def test_one_scorer_added_to_the_others_is_the_full_mixture():
    examples, weights = planted(), np.array([0.7, 0.0, 1.3])
    for scorer in range(3):
        others = np.where(np.arange(3) == scorer, 0.0, weights)
        for value in (0.0, 0.4, 2.0):
            full = np.where(np.arange(3) == scorer, value, weights)
            added = examples.add(examples.mix(others), scorer, value)
            np.testing.assert_allclose(added, examples.mix(full), rtol=1e-5, atol=1e-6)


def test_candidates_alike_in_the_scorers_that_count_tie_exactly():
    rng = np.random.default_rng(5)
    scores = np.repeat(rng.normal(size=(1, 1, 3)), 300, axis=1)
    scores[0, :, 2] = rng.normal(size=300)
    examples = examples_of(scores, np.eye(1, 300, dtype=bool))
    assert len(np.unique(examples.mix(np.array([0.3, 0.7, 0.0])))) == 1
    assert len(np.unique(examples.add(examples.mix(np.array([0.3, 0.0, 0.0])), 1, 0.7))) == 1
    assert ndcg(examples, np.array([0.3, 0.7, 0.0])).tolist() == [1.0]


def two_orders(helped_parts):
    """One positive a user, of one part for 50 users each; the second scorer helps those of some parts only."""
    rng = np.random.default_rng(2)
    n_users, n_candidates = 50 * PARTS, 40
    wanted = np.arange(n_users) % PARTS
    label = np.arange(n_candidates) == wanted[:, None]
    scores = rng.normal(size=(n_users, n_candidates, 2))
    helped = label & np.isin(wanted, helped_parts)[:, None]
    scores[:, :, 1] = scores[:, :, 0] + 1.5 * helped - 0.02 * (label & ~helped)
    examples = examples_of(scores, label)
    return quality(examples, np.array([0.0, 1.0])), quality(examples, np.array([1.0, 0.0]))


def test_a_rise_that_hangs_on_one_part_of_the_items_is_not_clear():
    found, reached = two_orders([4])
    rise = found.users - reached.users
    assert rise.mean() > 3 * rise.std(ddof=1) / np.sqrt(len(rise))  # clear by the users alone
    assert not found.clearly_above(reached)


def test_a_rise_spread_over_all_parts_is_clear_and_its_opposite_is_not():
    found, reached = two_orders(range(PARTS))
    assert found.clearly_above(reached)
    assert not reached.clearly_above(found)


def test_the_jackknife_as_fractions():
    users = np.full(100, 0.5)
    base = Quality(users, np.full(PARTS, 0.5))
    # Nine replicates rise by 0.01 and one by 0.11: their squares about the mean 0.02 add up to 0.009.
    error = np.sqrt(0.9 * 0.009)
    without = 0.5 + np.where(np.arange(PARTS) == 3, 0.11, 0.01)
    assert Quality(users + error + 1e-6, without).clearly_above(base)
    assert not Quality(users + error - 1e-6, without).clearly_above(base)


def test_no_rise_is_clear_where_one_part_holds_every_positive():
    scores = np.stack([np.tile([0.0, 1.0], (30, 1)), np.tile([1.0, 0.0], (30, 1))], axis=2)
    examples = examples_of(scores, np.tile([True, False], (30, 1)))
    good, bad = quality(examples, np.array([0.0, 1.0])), quality(examples, np.array([1.0, 0.0]))
    assert good.users.mean() > bad.users.mean()
    assert not good.clearly_above(bad)


def test_the_same_examples_teach_the_same_weights():
    assert learn_weights(planted(7).scaled(), EVEN).tolist() == learn_weights(planted(7).scaled(), EVEN).tolist()


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

"""ndcg@10 against a count by hand, and which of its rises are clear."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import examples_of

from recsys_spark.rank.examples import PARTS
from recsys_spark.rank.ndcg import Quality, judged, ndcg, pool_of, quality


def test_ndcg_as_fractions():
    scores = np.array([[[3.0], [2.0], [1.0]], [[1.0], [1.0], [1.0]]])
    label = np.array([[False, True, False], [False, False, True]])
    # Second place; third place by the tie rule.
    expected = [1 / np.log2(3), 1 / np.log2(4)]
    np.testing.assert_allclose(ndcg(examples_of(scores, label), np.ones(1)), expected)


def test_candidates_alike_in_the_scorers_that_count_tie_exactly():
    rng = np.random.default_rng(5)
    scores = np.repeat(rng.normal(size=(1, 1, 3)), 300, axis=1)
    scores[0, :, 2] = rng.normal(size=300)
    examples = examples_of(scores, np.eye(1, 300, dtype=bool))
    assert len(np.unique(examples.mix(np.array([0.3, 0.7, 0.0])))) == 1
    assert len(np.unique(examples.add(examples.mix(np.array([0.3, 0.0, 0.0])), 1, 0.7))) == 1
    assert ndcg(examples, np.array([0.3, 0.7, 0.0])).tolist() == [1.0]


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
    one, other = judged(examples, changed, pool_of(old)), judged(examples, changed, pool_of(changed))
    assert one.users.tolist() == other.users.tolist()
    assert one.without.tolist() == other.without.tolist()


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

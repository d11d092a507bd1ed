import numpy as np
import pytest

from recsys_spark.blocks.content import base_shares, score_subspace, user_lifts


def test_subspace_of_full_width_keeps_every_score():
    rng = np.random.default_rng(1)
    lifts, items = rng.random((30, 12)), rng.random((20, 12))
    directions = score_subspace(lifts.T @ lifts, items.T @ items, 12, seed=0)
    kept = (lifts @ (items.T @ items) @ directions) @ (items @ directions).T
    np.testing.assert_allclose(kept, lifts @ items.T, atol=1e-6)


def test_narrow_subspace_is_close_to_the_best_of_its_rank():
    rng = np.random.default_rng(2)
    lifts, items = rng.random((60, 40)) ** 4, rng.random((50, 40)) ** 4
    scores = lifts @ items.T
    directions = score_subspace(lifts.T @ lifts, items.T @ items, 8, seed=0)
    kept = (lifts @ (items.T @ items) @ directions) @ (items @ directions).T
    best = np.sqrt((np.linalg.svd(scores, compute_uv=False)[8:] ** 2).sum())
    assert np.linalg.norm(scores - kept) <= 1.05 * best


def test_scores_of_low_rank_leave_the_other_columns_zero():
    directions = score_subspace(np.diag([1.0, 0.0, 0.0]), np.eye(3), 3, seed=0)
    assert np.isfinite(directions).all()


@pytest.fixture
def shop(rows):
    items = rows(
        "item_vectors",
        {"item_id": "a", "n_users": 3, "feature_idx": [0], "feature_value": [1.0]},
        {"item_id": "b", "n_users": 1, "feature_idx": [0, 1], "feature_value": [0.6, 0.8]},
        {"item_id": "bare", "n_users": 1},
        {"item_id": "new", "n_users": 0, "feature_idx": [2], "feature_value": [1.0]},
    )
    met = rows(
        "interactions",
        {"user_id": "u", "item_id": "a", "n_sessions": 1},
        {"user_id": "u", "item_id": "b", "n_sessions": 3},
        {"user_id": "v", "item_id": "bare", "n_sessions": 1},
    )
    return met, items


def test_base_shares_count_pairs_of_items_with_events(shop):
    np.testing.assert_allclose(base_shares(shop[1], 3), [4 / 5, 1 / 5, 1e-6])


def test_lift_is_the_log_of_history_over_prior_times_base(shop):
    lifts = {r.user_id: r for r in user_lifts(*shop, 3, prior=10.0).collect()}
    assert set(lifts) == {"u"}
    assert lifts["u"].feature_idx == [0, 1]
    history = [np.log(2) + np.log(4), np.log(4)]
    expected = [np.log1p(history[0] / (10 * 4 / 5)), np.log1p(history[1] / (10 * 1 / 5))]
    np.testing.assert_allclose(lifts["u"].feature_value, expected, rtol=1e-6)

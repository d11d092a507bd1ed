import numpy as np
import pytest
import scipy.sparse as sp

from recsys_spark.blocks import content
from recsys_spark.blocks.content import base_shares, content_boosts, user_lifts
from recsys_spark.kernels.grid import Grid
from tests.frames import local_frame


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
    lifts = {r.user_id: r for r in user_lifts(*shop, np.ones(3), prior=10.0).collect()}
    assert set(lifts) == {"u"}
    assert lifts["u"].feature_idx == [0, 1]
    history = [np.log(2) + np.log(4), np.log(4)]
    expected = [np.log1p(history[0] / (10 * 4 / 5)), np.log1p(history[1] / (10 * 1 / 5))]
    np.testing.assert_allclose(lifts["u"].feature_value, expected, rtol=1e-6)


def test_a_lift_counts_as_much_as_its_attribute_tells_and_not_at_all_where_it_tells_nothing(shop):
    plain = user_lifts(*shop, np.ones(3), prior=10.0).collect()[0]
    weighed = user_lifts(*shop, np.array([0.5, 0.0, 1.0]), prior=10.0).collect()[0]
    assert weighed.feature_idx == [0]
    np.testing.assert_allclose(weighed.feature_value, [0.5 * plain.feature_value[0]], rtol=1e-6)


@pytest.fixture
def many(spark):
    """30 users' lifts over 12 features, and 40 items in two groups."""
    rng = np.random.default_rng(3)
    lifts = {f"u{n}": {int(f): float(rng.integers(1, 9)) / 4 for f in rng.choice(12, 5, False)} for n in range(30)}
    items = {f"i{n:02}": (("new", "established")[n % 2], sorted(rng.choice(12, 3, False).tolist())) for n in range(40)}
    left = local_frame(
        spark,
        [(u, sorted(taste), [taste[f] for f in sorted(taste)]) for u, taste in lifts.items()],
        "user_id string, feature_idx array<int>, feature_value array<float>",
    )
    right = local_frame(
        spark,
        [(i, group, held) for i, (group, held) in items.items()],
        "item_id string, item_group string, feature_idx array<int>",
    )
    return lifts, items, left, right


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(3, 2)])
def test_the_best_of_each_group_are_those_of_brute_force_best_first_on_any_grid(many, grid):
    lifts, items, left, right = many
    mask = np.arange(12) < 8
    found = content_boosts(left, right, {"content": mask, "pairs": ~mask}, 4, grid).collect()
    expected = []
    for user, taste in lifts.items():
        for scorer, used in (("content", mask), ("pairs", ~mask)):
            for group in ("new", "established"):
                sums = {
                    i: sum(taste.get(f, 0.0) for f in held if used[f]) for i, (g, held) in items.items() if g == group
                }
                best = sorted((-value, i) for i, value in sums.items() if value > 0)[:4]
                expected += [(user, scorer, group, [i for _, i in best], [-value for value, _ in best])] if best else []
    lists = [(r.user_id, r.scorer, r.item_group, r.item_ids, r.scores) for r in found]
    assert sorted(lists) == sorted(expected)
    assert all(r.because_item_ids == [] for r in found)


def test_a_shop_without_items_of_a_group_has_no_rows_of_it(many):
    _, _, left, right = many
    only_new = right.where("item_group = 'new'")
    found = content_boosts(left, only_new, {"content": np.ones(12, bool)}, 2, Grid(2, 1)).collect()
    assert {r.item_group for r in found} == {"new"}
    assert {int(item[1:]) % 2 for r in found for item in r.item_ids} == {0}


def test_dense_and_sparse_sums_have_the_same_digits(monkeypatch):
    random = np.random.default_rng(0)
    lifts = sp.random(70, 300, 0.2, "csr", np.float32, random)
    held = sp.csr_matrix((random.random((500, 300)) < 0.05).astype(np.float32))
    found = {}
    for way, gain in (("sparse", 0), ("dense", 1e9)):
        monkeypatch.setattr(content, "DENSE_GAIN", gain)
        found[way] = content._sums(lifts, held, held.T.tocsr())
    np.testing.assert_array_equal(found["dense"], found["sparse"])
    np.testing.assert_allclose(found["dense"], lifts.toarray() @ held.toarray().T, rtol=1e-5)

import numpy as np
import pytest

from recsys_spark.blocks.demographic import attribute_counts, log_odds


@pytest.fixture
def counts(rows):
    met = rows(
        "interactions",
        *[
            {"user_id": u, "item_id": i}
            for u, i in (("dry1", "cream"), ("dry2", "cream"), ("oily", "gel"), ("bare", "gel"))
        ],
    )
    users = rows(
        "user_profiles",
        {"user_id": "dry1", "feature_idx": [0], "feature_value": [1.0]},
        {"user_id": "dry2", "feature_idx": [0], "feature_value": [1.0]},
        {"user_id": "oily", "feature_idx": [1], "feature_value": [1.0]},
        {"user_id": "bare"},
    )
    return attribute_counts(met, users)


def test_counts_users_of_each_attribute_and_all_users(counts):
    found = {r.item_id: (r.n_users, r.feature_idx, r.feature_value) for r in counts.collect()}
    assert found == {"cream": (2, [0], [2.0]), "gel": (2, [1], [1.0])}


def test_log_odds_compare_holders_with_everyone(counts):
    found = {r.item_id: r.log_odds for r in log_odds(counts, 2, prior=2.0).collect()}
    share = 2 / 4
    expected = [np.log((2 + 2 * share) / (2 + 2)) - np.log(share), np.log((0 + 2 * share) / (1 + 2)) - np.log(share)]
    np.testing.assert_allclose(found["cream"], expected, rtol=1e-6)
    assert found["gel"][1] > 0 > found["gel"][0]


def test_a_shop_without_attributes_has_empty_odds(counts):
    bare = counts.selectExpr("item_id", "n_users", "array() as i", "array() as v").selectExpr(
        "item_id", "n_users", "cast(i as array<int>) feature_idx", "cast(v as array<float>) feature_value"
    )
    assert {len(r.log_odds) for r in log_odds(bare, 0, prior=2.0).collect()} == {0}

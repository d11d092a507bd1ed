import numpy as np
import pytest
from scipy.optimize import minimize

from recsys_spark.blocks.demographic import (
    PRIORS,
    Background,
    attribute_counts,
    background,
    choose_prior,
    fit_odds,
    log_odds,
)


@pytest.fixture
def users(rows):
    return rows(
        "user_profiles",
        {"user_id": "dry1", "feature_idx": [0], "feature_value": [1.0]},
        {"user_id": "dry2", "feature_idx": [0], "feature_value": [1.0]},
        {"user_id": "oily", "feature_idx": [1], "feature_value": [1.0]},
        {"user_id": "bare"},
    )


@pytest.fixture
def met(rows):
    pairs = (("dry1", "cream"), ("dry2", "cream"), ("oily", "gel"), ("bare", "gel"))
    return rows("interactions", *[{"user_id": u, "item_id": i} for u, i in pairs])


def test_counts_users_of_each_attribute_and_all_users(met, users):
    found = {r.item_id: (r.n_users, r.feature_idx, r.feature_value) for r in attribute_counts(met, users).collect()}
    assert found == {"cream": (2, [0], [2.0]), "gel": (2, [1], [1.0])}


def test_the_background_weighs_profiles_by_what_they_take(met, users):
    everyone = background(met, users, 2)
    attributes = everyone.profiles @ everyone.rotation.T + everyone.mean
    found = {tuple(np.round(row, 6)): share for row, share in zip(attributes, everyone.share, strict=True)}
    assert found == {(1.0, 0.0): 0.5, (0.0, 1.0): 0.25, (0.0, 0.0): 0.25}


def test_log_odds_favour_the_holders_and_score_nobody_above_certainty(met, users):
    everyone = background(met, users, 2)
    odds = {r.item_id: np.array(r.log_odds) for r in log_odds(attribute_counts(met, users), everyone, 0.5).collect()}
    dry, oily, bare = np.array([1, 0, 1]), np.array([0, 1, 1]), np.array([0, 0, 1])
    assert odds["cream"] @ dry > 0 > odds["cream"] @ oily
    assert odds["gel"] @ oily > 0 > odds["gel"] @ dry
    for item in ("cream", "gel"):
        shares = np.array([0.5, 0.25, 0.25]) * np.exp([odds[item] @ who for who in (dry, oily, bare)])
        assert shares.sum() == pytest.approx(1.0, abs=1e-4)


def test_the_fit_is_the_maximum_of_the_penalised_likelihood():
    rng = np.random.default_rng(0)
    attributes = (rng.random((60, 6)) < 0.4).astype(float)
    everyone = Background.of(attributes, rng.integers(1, 9, 60).astype(float))
    sums, n = (rng.random((3, 6)) * np.array([[4.0], [40.0], [400.0]])).round(), np.array([5.0, 60.0, 700.0])
    found = fit_odds(sums, n, everyone, prior=3.0) @ everyone.rotation.T
    centred = attributes - everyone.mean

    for item in range(3):

        def loss(w, item=item):
            total = np.log((everyone.share * np.exp(centred @ w)).sum())
            return -(sums[item] - n[item] * everyone.mean) @ w + n[item] * total + 1.5 * w @ w

        np.testing.assert_allclose(found[item], minimize(loss, np.zeros(6)).x, rtol=0.03, atol=0.01)


def test_an_items_weights_do_not_hang_on_the_items_that_are_fitted_beside_it():
    rng = np.random.default_rng(7)
    everyone = Background.of((rng.random((60, 6)) < 0.4).astype(float), rng.integers(1, 9, 60).astype(float))
    n = np.array([3.0, 30.0, 3_000.0])
    sums = (rng.random((3, 6)) * n[:, None]).round()
    together = fit_odds(sums, n, everyone, prior=1.0)
    alone = [fit_odds(sums[item : item + 1], n[item : item + 1], everyone, prior=1.0)[0] for item in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_the_prior_is_weak_where_attributes_tell_and_strong_where_they_do_not(rows):
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, 2, 400)
    profiles = rows(
        "user_profiles",
        *[{"user_id": f"u{n}", "feature_idx": [int(k)], "feature_value": [1.0]} for n, k in enumerate(kinds)],
    )

    def chosen(told):
        pairs = [(n, f"i{int(k) if told else rng.integers(2)}") for n, k in enumerate(kinds)]
        met = rows("interactions", *[{"user_id": f"u{n}", "item_id": i} for n, i in pairs])
        return choose_prior(met, profiles, background(met, profiles, 2))

    assert chosen(told=True) == PRIORS[0]
    assert chosen(told=False) >= 100.0


def test_without_anyone_left_out_the_prior_is_the_strongest(met, users):
    assert choose_prior(met.limit(0), users, background(met, users, 2)) == PRIORS[-1]

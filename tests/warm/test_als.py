import numpy as np
import pytest

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import conform
from recsys_spark.errors import ContractError
from recsys_spark.warm.als import fit_als, ratings

SETTINGS = dict(rank=2, iterations=4, regularization=0.01, alpha=20.0, browse_weight=0.3, seed=1)


@pytest.fixture
def shop(rows):
    """Two groups of users, each with its own three items; u0 and v0 have not met one of theirs, n has met nothing."""
    pairs = [(f"{g}{n}", f"{g}-item{i}") for g in "uv" for n in range(4) for i in range(3) if (n, i) != (0, 2)]
    met = rows("interactions", *[dict(user_id=u, item_id=i, n_sessions=1, n_purchases=1) for u, i in pairs])
    users = sorted({u for u, _ in pairs} | {"n"})
    items = sorted({i for _, i in pairs} | {"unmet"})
    return (
        met,
        rows("user_profiles", *[dict(user_id=u, user_idx=n) for n, u in enumerate(users)]),
        rows("item_vectors", *[dict(item_id=i, item_idx=n) for n, i in enumerate(items)]),
    )


def vectors(frame, name, key):
    return {r[key]: np.array(r.factors) for r in conform(table(name), frame).collect()}


def test_a_user_scores_the_missing_item_of_the_own_group_highest_among_unmet_ones(shop):
    users, items = fit_als(*shop, **SETTINGS)
    user = vectors(users, "user_factors", "user_id")["u0"]
    scores = {i: float(user @ v) for i, v in vectors(items, "item_factors", "item_id").items()}
    assert scores["u-item2"] > max(scores[f"v-item{i}"] for i in range(3)) + 0.1


def test_only_users_and_items_with_events_have_factors_and_a_seed_repeats_them(shop):
    first, second = (vectors(fit_als(*shop, **SETTINGS)[0], "user_factors", "user_id") for _ in range(2))
    assert "n" not in first
    assert len(first) == 8
    for user, factors in first.items():
        assert factors.shape == (2,)
        np.testing.assert_allclose(factors, second[user], rtol=1e-5, atol=1e-6)


def test_ratings_weigh_browsing_less_and_leave_out_what_counts_nothing(rows):
    met = rows(
        "interactions",
        dict(user_id="u", item_id="bought", n_sessions=3, n_purchases=1),
        dict(user_id="u", item_id="viewed", n_sessions=3, n_purchases=0),
        dict(user_id="u", item_id="never", n_sessions=0, n_purchases=0),
    )
    users = rows("user_profiles", dict(user_id="u", user_idx=0)).select("user_id", "user_idx")
    names = ("bought", "never", "viewed")
    items = rows("item_vectors", *[dict(item_id=i, item_idx=n) for n, i in enumerate(names)])
    found = {r.item_idx: r.rating for r in ratings(met, users, items.select("item_id", "item_idx"), 0.5).collect()}
    assert found == pytest.approx({0: np.log(4), 2: np.log(4) / 2})


def test_positions_beyond_32_bits_are_refused_in_words(rows, shop):
    met, _, items = shop
    users = rows("user_profiles", dict(user_id="u0", user_idx=2**31))
    with pytest.raises(ContractError, match="user_idx: found 2147483648, expected at most 2147483647"):
        fit_als(met, users, items, **SETTINGS)


def test_without_interactions_nobody_has_factors(shop):
    met, *others = shop
    users, items = fit_als(met.limit(0), *others, **SETTINGS)
    assert vectors(users, "user_factors", "user_id") == {}
    assert vectors(items, "item_factors", "item_id") == {}

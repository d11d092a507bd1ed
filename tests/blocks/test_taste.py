import numpy as np
import pytest
import scipy.sparse as sp

from recsys_spark.blocks.taste import MIN_USERS, USUAL_PRIOR, Sample, Taste, draw, fit, learn_taste

BRANDS, SHADES = 6, 5
ATTRIBUTES = np.array(["brand"] * BRANDS + ["shade"] * SHADES, object)


def planted(rng, n_users, n_items=60):
    """Users who take items of their brand alone, whatever the shade: lifts of both are shown."""
    held = np.zeros((n_items, len(ATTRIBUTES)), np.float32)
    held[np.arange(n_items), rng.integers(0, BRANDS, n_items)] = 1
    held[np.arange(n_items), BRANDS + rng.integers(0, SHADES, n_items)] = 1
    lifts = np.zeros((n_users, len(ATTRIBUTES)), np.float32)
    brand = rng.integers(0, BRANDS, n_users)
    lifts[np.arange(n_users), brand] = 1.5
    lifts[np.arange(n_users), BRANDS + rng.integers(0, SHADES, n_users)] = 1.5
    of_brand = held[:, brand].T > 0
    taken = of_brand & (rng.random(of_brand.shape) < 0.5)
    some = taken.any(axis=1)
    return Sample(sp.csr_matrix(lifts[some]), sp.csr_matrix(held), taken[some], np.zeros(n_items))


def test_the_attribute_that_tells_weighs_most_and_one_that_does_not_next_to_nothing():
    found = fit(planted(np.random.default_rng(1), 400, n_items=300), ATTRIBUTES, 10.0).weights
    assert found["brand"] == 1.0
    assert found["shade"] < 0.1


def test_few_items_leave_the_weights_near_equal():
    rng = np.random.default_rng(2)
    few, many = (fit(planted(rng, 60, n_items=n), ATTRIBUTES, 10.0).weights["shade"] for n in (6, 300))
    assert few > 3 * many


def test_too_few_users_teach_nothing():
    sample = planted(np.random.default_rng(3), MIN_USERS - 1)
    assert fit(sample, ATTRIBUTES, None) == Taste(USUAL_PRIOR, {"brand": 1.0, "shade": 1.0})
    assert fit(sample, ATTRIBUTES, 2.0).prior == 2.0


def test_demand_is_not_put_down_to_an_attribute():
    """All take the bestsellers, which happen to be of one brand that everyone has met."""
    rng = np.random.default_rng(4)
    sample = planted(rng, 300, n_items=300)
    brand, shade = sample.held[:, :BRANDS].toarray(), sample.held[:, BRANDS:].toarray()
    demand = np.where(brand[:, 0] > 0, np.log(50.0), 0.0)
    liked = rng.integers(0, SHADES, 300)
    chance = np.exp(demand + 2.0 * shade[:, liked].T)
    taken = rng.random(chance.shape) < chance / chance.sum(axis=1, keepdims=True) * 3
    some = taken.any(axis=1)
    lifts = np.hstack([np.tile([1.0, 0, 0, 0, 0, 0], (300, 1)), np.eye(SHADES)[liked]])
    told, untold = (
        fit(Sample(sp.csr_matrix(lifts[some]), sample.held, taken[some], known), ATTRIBUTES, 10.0).weights
        for known in (demand, np.zeros_like(demand))
    )
    assert told["shade"] == 1.0
    assert untold["shade"] < 0.7


def test_a_feature_has_the_weight_of_its_attribute_and_an_unknown_one_counts_whole():
    found = Taste(10.0, {"brand": 0.25}).by_feature(np.array(["brand", "new"], object))
    assert found.tolist() == [0.25, 1.0]


@pytest.fixture(scope="module")
def shop(rows):
    """200 users, each of one brand: they take items of it, of any shade."""
    rng = np.random.default_rng(5)
    brand, shade = np.arange(80) % BRANDS, BRANDS + rng.integers(0, SHADES, 80)
    taken = [(u, i) for u in range(200) for i in rng.choice(np.flatnonzero(brand == u % BRANDS), 8, replace=False)]
    counts = np.bincount([i for _, i in taken], minlength=80)
    items = [
        {
            "item_id": f"i{n:02}",
            "n_users": int(counts[n]),
            "feature_idx": [int(brand[n]), int(shade[n])],
            "feature_value": [0.7, 0.7],
        }
        for n in range(80)
    ]
    met = [{"user_id": f"u{u}", "item_id": f"i{i:02}", "n_sessions": 1} for u, i in taken]
    return rows("interactions", *met), rows("item_vectors", *items)


def test_the_sample_shows_nothing_of_what_it_asks_for_and_teaches_that_brands_tell(shop):
    sample = draw(*shop, ATTRIBUTES)
    n_users, n_candidates = sample.taken.shape
    assert sample.lifts.shape[0] == n_users
    assert sample.held.shape[0] == n_candidates == len(sample.demand)
    assert 5 <= n_candidates <= 30
    assert sample.taken.any(axis=1).all()
    # Everyone took 8 items of 13 or so, of which a fifth is asked for.
    assert 0.5 < sample.taken.sum(axis=1).mean() < 4
    found = fit(sample, ATTRIBUTES, None).weights
    assert found["brand"] == 1.0
    assert found["shade"] < 0.8


def test_a_shop_without_events_learns_nothing(shop):
    met, items = shop
    unmet = items.selectExpr("* except (n_users)", "0L as n_users")
    assert learn_taste(met.limit(0), unmet, ATTRIBUTES, None).weights == {"brand": 1.0, "shade": 1.0}


def test_the_prior_is_large_where_a_few_purchases_say_little_and_small_where_they_say_much():
    """Histories of 1 and of 40 purchases: the same taste for all who have any, or a taste that grows with them."""
    rng = np.random.default_rng(6)
    attributes, n_items = np.array(["brand"] * BRANDS, object), 240
    held = np.eye(BRANDS)[np.arange(n_items) % BRANDS]
    history, brand = np.where(rng.random(1200) < 0.5, 40.0, 1.0), rng.integers(0, BRANDS, 1200)
    lifts = np.log1p(history[:, None] * np.eye(BRANDS)[brand])
    chosen = []
    for taste in (np.full(1200, 2.0), history / 10):
        chance = np.exp(taste[:, None] * held[:, brand].T)
        taken = np.zeros(chance.shape, bool)
        taken[np.arange(1200), [rng.choice(n_items, p=row / row.sum()) for row in chance]] = True
        sample = Sample(sp.csr_matrix(lifts), sp.csr_matrix(held), taken, np.zeros(n_items))
        chosen.append(fit(sample, attributes, None).prior)
    assert chosen[0] == 1.0
    assert chosen[1] >= 10.0

import numpy as np
import pytest
from pyspark.ml.recommendation import ALS
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import conform
from recsys_spark.errors import ContractError
from recsys_spark.kernels.keep import let_go_of_rdds
from recsys_spark.warm.als import _blocks, fit_als, ratings
from recsys_spark.warm.fold_in import FACTORS_BYTES, fold_in, traffic

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


def folded(met, items, buckets=2, only_met=False):
    sizes = {name: SETTINGS[name] for name in ("rank", "regularization", "alpha")}
    found = fold_in(ratings(met, 0.3), items, **sizes, buckets=buckets, only_met=only_met)
    return vectors(found, "user_factors", "user_id")


def test_a_user_scores_the_missing_item_of_the_own_group_highest_among_unmet_ones(shop):
    items = fit_als(*shop, **SETTINGS)
    user = folded(shop[0], items)["u0"]
    scores = {i: float(user @ v) for i, v in vectors(items, "item_factors", "item_id").items()}
    assert scores["u-item2"] > max(scores[f"v-item{i}"] for i in range(3)) + 0.1
    assert "unmet" not in scores


def test_a_seed_repeats_the_factors(shop):
    first, second = (vectors(fit_als(*shop, **SETTINGS), "item_factors", "item_id") for _ in range(2))
    assert len(first) == 6
    for item, factors in first.items():
        assert factors.shape == (2,)
        np.testing.assert_allclose(factors, second[item], rtol=1e-5, atol=1e-6)


def test_nothing_of_a_fit_is_held_once_its_factors_are_read(shop, spark):
    def held():
        return set(spark.sparkContext._jsc.getPersistentRDDs())

    other = spark.sparkContext.parallelize([1]).persist()
    before = held()  # of what others left in the session, Java may let go at any time
    with let_go_of_rdds(spark):
        assert fit_als(*shop, **SETTINGS).count() == 6
        assert held() - before
    assert held() - before == set()
    assert other.id() in held()
    other.unpersist()


def test_users_are_folded_in_as_the_last_half_step_of_spark_solves_them(shop):
    met, users, items = shop
    rated = ratings(met, 0.3).join(users, "user_id").join(items, "item_id")
    model = ALS(rank=2, maxIter=4, regParam=0.01, implicitPrefs=True, alpha=20.0, seed=1, userCol="user_idx",
                itemCol="item_idx", ratingCol="rating").fit(
        rated.select(F.col("user_idx").cast("int"), F.col("item_idx").cast("int"), "rating"))  # fmt: skip
    theirs = model.itemFactors.join(items, F.col("id") == F.col("item_idx"))
    found = folded(met, theirs.select("item_id", F.col("features").alias("factors")))
    expected = {
        r.user_id: r.features for r in model.userFactors.join(users, F.col("id") == F.col("user_idx")).collect()
    }
    assert found.keys() == expected.keys()
    for user, factors in found.items():
        np.testing.assert_allclose(factors, expected[user], rtol=1e-4, atol=1e-6)


def test_some_users_get_the_same_factors_as_among_all_and_from_the_items_they_met(shop):
    met, items = shop[0], fit_als(*shop, **SETTINGS)
    everyone, some = folded(met, items), folded(met.where("user_id in ('u0', 'v3')"), items)
    assert some.keys() == {"u0", "v3"}
    for user, factors in some.items():
        np.testing.assert_array_equal(factors, everyone[user])
    only_met = folded(met, items, buckets=3, only_met=True)
    assert only_met.keys() == everyone.keys()
    for user, factors in only_met.items():
        np.testing.assert_array_equal(factors, everyone[user])


@pytest.mark.parametrize("only_met", [False, True])
def test_who_met_only_items_without_factors_has_none(shop, rows, only_met):
    items = fit_als(*shop, **SETTINGS)
    new = rows("interactions", dict(user_id="w", item_id="new", n_sessions=1, n_purchases=1))
    assert "w" not in folded(shop[0].unionByName(new), items, buckets=5, only_met=only_met)
    assert folded(new, items, only_met=only_met) == {}


SHOPS = [
    # users, items, ratings a user, rank
    (10_000_000, 1_000_000, 100, 64),
    (10_000_000, 1_000_000, 100, 512),
    (10_000_000, 100_000_000, 100, 64),
    (100_000_000, 10_000_000, 50, 128),
    (1_000, 1_000_000, 30, 64),
]


@pytest.mark.parametrize(("n_users", "n_items", "per_user", "rank"), SHOPS)
def test_no_more_travels_than_the_factors_of_what_users_met_and_a_task_holds_few(n_users, n_items, per_user, rank):
    n_ratings = n_users * per_user
    buckets, only_met = traffic(max(n_users // 25_000, 4), n_items, n_ratings, rank)
    travel = n_ratings if only_met else n_items * buckets
    assert travel <= n_ratings
    in_task = n_ratings / buckets if only_met else n_items
    assert min(in_task, n_items) * rank * 4 <= FACTORS_BYTES <= 2**28


def test_buckets_are_as_many_as_asked_where_all_items_fit_a_task():
    assert traffic(40, 100_000, 10**10, 512) == (40, False)
    assert traffic(40, 100_000, 10**6, 64) == (40, True)


@pytest.mark.parametrize(("asked", "blocks"), [("8", 8), ("4000", 64), ("auto", 64), (None, 64)])
def test_a_fit_has_as_many_blocks_as_a_shuffle_has_partitions_whatever_the_cores(asked, blocks):
    assert _blocks(asked) == blocks


def test_ratings_weigh_browsing_less_and_leave_out_what_counts_nothing(rows):
    met = rows(
        "interactions",
        dict(user_id="u", item_id="bought", n_sessions=3, n_purchases=1),
        dict(user_id="u", item_id="viewed", n_sessions=3, n_purchases=0),
        dict(user_id="u", item_id="never", n_sessions=0, n_purchases=0),
    )
    found = {r.item_id: r.rating for r in ratings(met, 0.5).collect()}
    assert found == pytest.approx({"bought": np.log(4), "viewed": np.log(4) / 2})


def test_positions_beyond_32_bits_are_refused_in_words(rows, shop):
    met, _, items = shop
    users = rows("user_profiles", dict(user_id="u0", user_idx=2**31))
    with pytest.raises(ContractError, match="user_idx: found 2147483648, expected at most 2147483647"):
        fit_als(met, users, items, **SETTINGS)


def test_without_interactions_nobody_has_factors(shop):
    met, *others = shop
    items = fit_als(met.limit(0), *others, **SETTINGS)
    assert vectors(items, "item_factors", "item_id") == {}
    assert folded(met, items) == {}
    assert folded(met.limit(0), fit_als(*shop, **SETTINGS)) == {}

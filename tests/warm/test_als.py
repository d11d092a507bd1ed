import numpy as np
import pytest
from pyspark.ml.recommendation import ALS
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import conform
from recsys_spark.errors import ContractError
from recsys_spark.kernels.grid import Grid
from recsys_spark.kernels.keep import let_go_of_rdds
from recsys_spark.warm.als import _blocks, fit_als, ratings
from recsys_spark.warm.fold_in import PARTS_BYTES, bounded, fold_in

SETTINGS = dict(rank=2, iterations=4, regularization=0.01, alpha=20.0, browse_weight=0.3, seed=1)
GRID = Grid(2, 1)


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


def folded(met, items, grid=GRID):
    sizes = {name: SETTINGS[name] for name in ("rank", "regularization", "alpha")}
    return vectors(fold_in(ratings(met, 0.3), items, **sizes, grid=grid), "user_factors", "user_id")


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


def test_some_users_get_the_same_factors_as_among_all_and_from_items_in_shards(shop):
    met, items = shop[0], fit_als(*shop, **SETTINGS)
    everyone, some = folded(met, items), folded(met.where("user_id in ('u0', 'v3')"), items)
    assert some.keys() == {"u0", "v3"}
    for user, factors in some.items():
        np.testing.assert_array_equal(factors, everyone[user])
    for user, factors in folded(met, items, Grid(2, 3)).items():
        np.testing.assert_allclose(factors, everyone[user], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rank", [64, 128, 512])
def test_partial_equations_of_a_bucket_of_users_stay_small_whatever_the_rank(rank):
    n_users = 1_000_000
    grid = bounded(Grid(40, 3), n_users, rank)
    assert grid.item_shards == 3
    assert n_users / grid.user_buckets * rank * rank * 8 <= PARTS_BYTES <= 2**27
    # Nor are there many more buckets than that takes.
    assert n_users / grid.user_buckets * rank * (rank + 1) * 8 > 0.95 * PARTS_BYTES


def test_where_all_items_come_to_a_user_or_parts_are_small_the_grid_stays_as_it_is():
    assert bounded(Grid(40, 1), 10**9, 512) == Grid(40, 1)
    assert bounded(Grid(40, 3), 100_000, 64) == Grid(40, 3)


@pytest.mark.parametrize(("asked", "blocks"), [("8", 8), ("4000", 64), ("auto", 3), (None, 3)])
def test_a_fit_has_as_many_blocks_as_a_shuffle_has_partitions_or_as_there_are_cores(asked, blocks):
    assert _blocks(asked, cores=3) == blocks


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

import numpy as np
import pytest
import scipy.sparse as sp
from pyspark.sql import functions as F

from recsys_spark.blocks.maps import demand_target, fit_map, item_penalty
from recsys_spark.config.learning import BlockSettings
from tests.frames import local_frame

WIDTHS = {"factors": 2, "demographic": 1, "popularity": 1}
PAIRED = np.array([False, True])


def test_the_penalty_grows_with_the_catalogue_and_never_falls_below_that_of_pairs():
    small, large = (item_penalty(PAIRED, WIDTHS, n, BlockSettings(ridge_pairs=60.0)) for n in (2_500, 250_000))
    np.testing.assert_allclose(small, [[20.0, 20.0, 5.0, 20.0], [60.0, 60.0, 15.0, 60.0]])
    np.testing.assert_allclose(large, np.tile([200.0, 200.0, 50.0, 200.0], (2, 1)))


def test_a_set_penalty_is_taken_as_it_is():
    found = item_penalty(PAIRED, {"factors": 1}, 10**9, BlockSettings(ridge_items=3.0, ridge_pairs=7.0))
    assert found.tolist() == [[3.0], [7.0]]


def test_the_map_is_learned_from_a_bounded_sample_that_hangs_on_ids_alone(spark):
    rows = [(f"i{n:03}", [n % 2], [float(n % 2), 1.0]) for n in range(200)]
    frame = local_frame(spark, rows, "item_id string, feature_idx array<int>, target array<float>")
    penalty = np.full((2, 2), 1e-6)
    whole = fit_map(frame, "item_id", 2, penalty, 1_000)
    half = [fit_map(f, "item_id", 2, penalty, 100) for f in (frame, frame.orderBy("target").repartition(3))]
    predicted = whole.predict(sp.csr_matrix(np.eye(2)))
    np.testing.assert_allclose(predicted, [[0.0, 1.0], [1.0, 1.0]], atol=1e-4)
    np.testing.assert_allclose(half[0].weights, half[1].weights, atol=1e-6)


def test_the_map_is_the_same_to_the_last_digit_in_whatever_order_rows_come(spark):
    rng = np.random.default_rng(0)
    held = [np.flatnonzero(rng.random(100) < 0.2).tolist() for _ in range(1_000)]
    rows = [(f"i{n:03}", held[n], rng.normal(size=4).tolist()) for n in range(1_000)]
    frame = local_frame(spark, rows, "item_id string, feature_idx array<int>, target array<float>")
    orders = (frame, frame.orderBy("target").coalesce(1), frame.repartition(3))
    found = [fit_map(f, "item_id", 4, np.full((100, 4), 0.5), 10_000).weights for f in orders]
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_without_rows_everything_is_predicted_as_zero(spark):
    empty = local_frame(spark, [], "item_id string, feature_idx array<int>, target array<float>")
    assert not fit_map(empty, "item_id", 3, np.ones((2, 3)), 10).weights.any()


@pytest.mark.parametrize("targets", [0, 2])
def test_an_id_without_attributes_gets_the_mean(spark, targets):
    rows = [(f"i{n}", [0], [1.0, 3.0][:targets]) for n in range(9)]
    frame = local_frame(spark, rows, "item_id string, feature_idx array<int>, target array<float>")
    found = fit_map(frame, "item_id", targets, np.ones((1, targets)), 100)
    np.testing.assert_allclose(found.predict(sp.csr_matrix((1, 1))), [[1.0, 3.0][:targets]])


def test_demand_is_a_root_of_the_share_of_the_mean_in_spark_and_in_numpy(spark):
    counts = np.array([0.0, 1.0, 4.0, 16.0])
    frame = local_frame(spark, [(n,) for n in counts.tolist()], "n double")
    found = [row[0] for row in frame.orderBy("n").select(demand_target(F.col("n"), 4.0)).collect()]
    np.testing.assert_allclose(found, [0.0, 0.5, 1.0, 2.0])
    np.testing.assert_allclose(demand_target(counts, 4.0), found)

import math

import numpy as np
import pytest
from pyspark.sql import functions as F

from recsys_spark.kernels.bins import bin_edges, bin_of, rounded, significant, significant_values
from tests.frames import local_frame


def test_significant_keeps_digits_at_any_scale(spark):
    values = [123456.0, 0.00123456, -98765.0, 0.0, None]
    frame = local_frame(spark, [(v,) for v in values], "v double").select(significant(F.col("v"), 3).alias("v"))
    found = [r.v for r in frame.collect()]
    assert found[:4] == pytest.approx([123000.0, 0.00123, -98800.0, 0.0], rel=1e-12)
    assert found[4] is None


def test_noise_around_a_tie_rounds_to_one_side(spark):
    tie = 0.12345  # half-way between 0.1234 and 0.1235
    values = [tie, math.nextafter(tie, 0), math.nextafter(tie, 1), -tie, math.nextafter(-tie, 0)]
    frame = local_frame(spark, [(v,) for v in values], "v double").select(significant(F.col("v"), 4).alias("v"))
    assert {abs(r.v) for r in frame.collect()} == {0.1235}


def test_significant_leaves_nan(spark):
    found = spark.range(1).select(significant(F.lit(float("nan")), 3).alias("v")).first()
    assert math.isnan(found.v)


def test_an_array_is_rounded_as_a_column_is(spark):
    draw = np.random.default_rng(0)
    values = np.concatenate(
        [
            draw.lognormal(0, 8, 2000),
            -draw.random(50),
            [0.0, 0.5, 2.5, -2.5, 0.12345, 1.0000005, 5e-324, -1e-310, 1e-300],
        ]
    )
    frame = local_frame(spark, [(float(v),) for v in values], "v double")
    by_spark = frame.select(significant(F.col("v"), 4).alias("s"), F.round("v", 6).alias("r")).toPandas()
    np.testing.assert_allclose(significant_values(values, 4), by_spark["s"], rtol=4e-16)
    assert not significant_values(values, 4)[-3:].any()
    small = np.abs(values) < 1e6
    np.testing.assert_array_equal(rounded(values, 6)[small], by_spark["r"][small])


def test_nan_and_no_values_at_all_stay():
    assert np.isnan(significant_values(np.array([np.nan]), 3)).all()
    assert len(significant_values(np.empty(0), 3)) == 0


def test_edges_are_quantiles_without_null_and_nan(spark):
    frame = local_frame(spark, [(float(v),) for v in range(1, 6)] + [(None,), (float("nan"),)], "v double")
    assert frame.agg(bin_edges(F.col("v"), 4).alias("e")).first().e == [2.0, 3.0, 4.0]


def test_equal_values_share_a_bin_and_the_ends_are_open(spark):
    frame = local_frame(spark, [(-9.0,), (2.0,), (2.5,), (99.0,)], "v double")
    edges = F.array(F.lit(2.0), F.lit(3.0), F.lit(4.0))
    assert [r.b for r in frame.select(bin_of(F.col("v"), edges).alias("b")).collect()] == [1, 1, 2, 4]

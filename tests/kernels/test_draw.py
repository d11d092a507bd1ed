import numpy as np
from pyspark.sql import functions as F

from recsys_spark.kernels.draw import hash_share, parts_of


def test_a_share_hangs_on_the_columns_alone_and_is_even(spark):
    ids = spark.range(4000).select(F.concat(F.lit("u"), "id").alias("user_id"))
    first = {r.user_id: r.share for r in ids.select("user_id", hash_share("user_id").alias("share")).collect()}
    again = ids.repartition(7).orderBy(F.desc("user_id")).select("user_id", hash_share("user_id").alias("share"))
    assert {r.user_id: r.share for r in again.collect()} == first
    values = np.array(list(first.values()))
    assert values.min() >= 0
    assert values.max() < 1
    np.testing.assert_allclose(np.histogram(values, bins=4, range=(0, 1))[0], 1000, rtol=0.1)


def test_parts_are_even_and_another_salt_deals_anew():
    ids = [f"item {number}" for number in range(5000)]
    parts = parts_of(ids, 5)
    np.testing.assert_allclose(np.bincount(parts, minlength=5), 1000, rtol=0.1)
    np.testing.assert_array_equal(parts_of(ids[100:150], 5), parts[100:150])
    agree = (parts == parts_of(ids, 5, salt="other ")).mean()
    assert 0.15 < agree < 0.25

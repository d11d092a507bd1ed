import numpy as np
import pytest

from recsys_spark.kernels.gram import gram, rounded_gram
from tests.frames import local_frame


def frame(spark, vectors):
    return local_frame(spark, [(vector.tolist(),) for vector in vectors], "vector array<float>")


@pytest.mark.parametrize(("n", "partitions"), [(50, 1), (50, 9), (2, 9), (0, 3)])
def test_one_matrix_comes_to_the_driver_however_many_partitions_there_are(spark, monkeypatch, n, partitions):
    vectors = np.random.default_rng(0).integers(-9, 9, (n, 4)).astype(np.float32)
    rows, came = frame(spark, vectors).repartition(partitions), []
    to_arrow = type(rows).toArrow
    monkeypatch.setattr(type(rows), "toArrow", lambda asked: came.append(to_arrow(asked)) or came[-1])
    np.testing.assert_array_equal(gram(rows, "vector", 4), vectors.T @ vectors)
    assert sum(len(line) for line in came[0].columns[-1].to_pylist()) == (16 if n else 0)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e9])
def test_sums_in_another_order_are_rounded_to_the_same_whatever_their_size(size):
    parts = [size * one.T @ one for one in np.random.default_rng(0).normal(size=(40, 3, 5))]
    one, other = sum(parts), sum(reversed(parts))
    assert (one != other).any()
    np.testing.assert_array_equal(rounded_gram(one), rounded_gram(other))
    np.testing.assert_allclose(rounded_gram(one), one, atol=1e-9 * one.max())
    assert not rounded_gram(np.zeros((2, 2))).any()

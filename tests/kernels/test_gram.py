import numpy as np
import pytest

from recsys_spark.kernels.gram import normal_equations

SCHEMA = "feature_idx array<int>, feature_value array<float>, target array<float>"


@pytest.fixture
def sparse(spark):
    rows = [([0, 2], [1.0, 2.0], [1.0]), ([1], [3.0], [2.0]), ([], [], [5.0]), ([0], [1.0], [-1.0])]
    return spark.createDataFrame(rows, SCHEMA).repartition(3)


def test_sums_equal_the_dense_products(sparse):
    x = np.array([[1, 0, 2], [0, 3, 0], [0, 0, 0], [1, 0, 0]], float)
    y = np.array([[1], [2], [5], [-1]], float)
    found = normal_equations(sparse, 3, 1, partials=2)
    np.testing.assert_allclose(found.xx, x.T @ x)
    np.testing.assert_allclose(found.xy, x.T @ y)
    assert found.rows == 4


def test_ridge_solves_the_penalised_problem_and_leaves_the_intercept_free(sparse):
    found = normal_equations(sparse, 3, 1, partials=1)
    weights = found.ridge(2.0, free=1)
    penalty = np.diag([2.0, 1e-6, 2.0])
    np.testing.assert_allclose((found.xx + penalty) @ weights, found.xy, atol=1e-9)


def test_no_rows_give_zeros(sparse):
    found = normal_equations(sparse.limit(0), 3, 1, partials=2)
    assert found.rows == 0
    assert not found.xx.any()

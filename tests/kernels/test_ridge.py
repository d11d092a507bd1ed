import numpy as np
import pytest
import scipy.sparse as sp

from recsys_spark.kernels.ridge import ridge


def test_agrees_with_the_closed_form():
    rng = np.random.default_rng(0)
    x = sp.random(200, 30, density=0.2, random_state=1, format="csr", dtype=np.float32)
    y, penalty = rng.normal(size=(200, 4)) + 3.0, rng.uniform(0.5, 5.0, (30, 4))
    weights, mean = ridge(x, y, penalty)
    dense = x.toarray().astype(float)
    for target in range(4):
        gram = dense.T @ dense + np.diag(penalty[:, target])
        expected = np.linalg.solve(gram, dense.T @ (y[:, target] - y[:, target].mean()))
        np.testing.assert_allclose(weights[:, target], expected, atol=1e-4)
    np.testing.assert_allclose(mean, y.mean(axis=0))


def test_a_target_without_signal_stays_at_its_mean():
    weights, mean = ridge(sp.eye(5, format="csr"), np.full((5, 1), 7.0), np.ones((5, 1)))
    assert not weights.any()
    assert mean == pytest.approx([7.0])


def test_without_features_there_is_only_the_mean():
    weights, mean = ridge(sp.csr_matrix((3, 0)), np.arange(6.0).reshape(3, 2), np.empty((0, 2)))
    assert weights.shape == (0, 2)
    np.testing.assert_allclose(mean, [2.0, 3.0])

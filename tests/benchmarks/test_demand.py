import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.demand import SPLITS, _ndcg, judged


def test_a_list_is_judged_by_what_each_user_took_of_the_hidden_items():
    taken = sp.csc_matrix(np.array([[1, 0, 1], [0, 0, 1], [0, 0, 0]], float))
    first, second = 1.0, 1 / np.log2(3)
    # The list is item 1, then item 2; who took nothing is not asked.
    expected = np.mean([second / (first + second), second / first])
    assert _ndcg(taken, np.array([1, 2])) == pytest.approx(expected)


def test_a_target_that_tells_demand_beats_one_that_tells_its_opposite():
    kind = np.arange(400) % 4
    held = sp.csr_matrix(np.eye(4)[kind].astype(np.float32))
    count = np.array([100.0, 30.0, 5.0, 1.0])[kind]
    users = np.random.default_rng(0).random((50, 400)) < count / 200
    found = judged(held, count, sp.csc_matrix(users.astype(float)), np.full((4, 2), 1.0), [np.sqrt, np.reciprocal])
    assert found.shape == (SPLITS, 2)
    assert (found[:, 0] > 2 * found[:, 1]).all()

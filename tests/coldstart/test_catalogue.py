import numpy as np
import pytest

from recsys_spark.coldstart.catalogue import catalogue, chosen_candidates, known_ids, without_unknown
from recsys_spark.errors import TrainingError


def _rows(idx: list[int]) -> dict[str, np.ndarray]:
    return {
        "item_idx": np.array(idx),
        "feature_idx": np.array([[i, 0, 0] for i in idx]),
        "dense": np.array([[2.0 * i] for i in idx]),
        "log_q": np.array([-float(i) for i in idx]),
        "is_held_out": np.array([i == 2 for i in idx]),
    }


def test_rows_are_placed_by_index_whatever_their_order():
    found = catalogue(_rows([2, 1, 3]))
    assert found.n_items == 3
    assert found.features.numpy().tolist() == [[0], [1], [2], [3]]  # the columns that only pad are cut
    assert found.log_q.numpy().tolist() == [0.0, -1.0, -2.0, -3.0]
    assert found.held_out.tolist() == [False, False, True, False]


def test_dense_has_a_root_mean_square_of_one():
    dense = catalogue(_rows([1, 2])).dense.numpy()
    np.testing.assert_allclose(dense[:, 0], np.array([0, 2, 4]) / np.sqrt(20 / 3), rtol=1e-6)


def test_a_trained_scale_stays_and_features_the_training_did_not_know_pad():
    trained = catalogue(_rows([1, 2]))
    found = catalogue(_rows([1, 2, 3]), dense_scale=trained.dense_scale, n_features=2)
    np.testing.assert_array_equal(found.dense.numpy()[:3], trained.dense.numpy())
    assert found.features.numpy().tolist() == [[0], [1], [2], [0]]


def test_dense_that_was_empty_in_training_stays_so():
    assert not catalogue(_rows([1, 2]), dense_scale=0.0).dense.numpy().any()


def test_indexes_above_the_largest_known_are_padding():
    assert without_unknown(np.array([[1, 5], [4, 0]]), 4).tolist() == [[1, 0], [4, 0]]


def test_no_dense_columns_and_only_zeros_stay_as_they_are():
    rows = _rows([1, 2])
    assert catalogue({**rows, "dense": np.zeros((2, 0))}).dense.shape == (3, 0)
    assert not catalogue({**rows, "dense": np.zeros((2, 4))}).dense.numpy().any()


@pytest.mark.parametrize("idx", [[1, 1, 2], [0, 1, 2], [2, 3, 4]])
def test_indexes_that_are_not_dense_are_refused(idx):
    with pytest.raises(TrainingError, match=r"expected 1 to 3, each once"):
        catalogue(_rows(idx))


def test_known_ids_are_those_with_examples():
    assert known_ids(np.array([0.0, 2.0, 0.0, 1.0])).tolist() == [0, 1, 0, 3]


def test_candidates_beyond_the_limit_are_sampled_but_the_wanted_stay():
    choices = np.arange(1, 101)
    found = chosen_candidates(choices, [7, 7, 99], 10, seed=1)
    assert len(found) == 10
    assert {7, 99} <= set(found.tolist()) <= set(choices.tolist())
    assert found.tolist() == sorted(found.tolist()) == chosen_candidates(choices, [99, 7], 10, seed=1).tolist()
    assert chosen_candidates(choices, [7], 100, seed=1).tolist() == choices.tolist()

import numpy as np

from recsys_spark.coldstart.validation import _places, cold_tasks, recall

HELD_OUT = np.array([False, False, True, False, True])
KNOWN = np.array([0, 1, 0, 3, 0], np.int32)
VALIDATION = {
    "attribute_idx": np.array([[1], [2], [3]]),
    "history_idx": np.array([[3], [1], [0]]),
    "item_idx": np.array([4, 3, 2]),
}


def test_examples_split_into_new_items_and_new_users():
    new_items, new_both, new_users = cold_tasks(VALIDATION, HELD_OUT, KNOWN, limit=10, seed=0)
    assert new_items.candidates.tolist() == [2, 4]
    assert new_items.candidate_ids.tolist() == [0, 0]
    assert new_items.target.tolist() == [1, 0]
    assert new_items.history_idx.tolist() == [[3], [0]]
    assert new_both.target.tolist() == [1, 0]
    assert not new_both.history_idx.any()
    assert new_users.candidates.tolist() == [1, 3]
    assert new_users.candidate_ids.tolist() == [1, 3]
    assert new_users.target.tolist() == [1]
    assert new_users.history_idx.tolist() == [[0]]  # a new user shows no history


def test_an_item_without_training_examples_is_no_task_of_a_new_user():
    known = np.zeros(5, np.int32)
    known[1] = 1
    _, _, new_users = cold_tasks(VALIDATION, HELD_OUT, known, limit=10, seed=0)
    assert len(new_users.target) == 0


def test_ties_take_the_middle_place():
    scores = np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]])
    assert _places(scores, np.array([2, 0])).tolist() == [1.0, 1.0]


def test_recall_is_the_mean_over_tasks_with_examples():
    assert recall(np.array([[1, 4], [3, 4]])) == 0.5
    assert recall(np.array([[1, 4], [0, 0]])) == 0.25
    assert recall(np.array([[0, 4]])) == 0.0
    assert recall(np.zeros((2, 2))) is None

import numpy as np
import tensorflow as tf

from recsys_spark.coldstart.validation import ColdTask, _places, cold_tasks, sums, told

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


def test_means_are_over_tasks_with_examples():
    assert told(np.array([[6.0, 1, 4], [2.0, 3, 4]])) == (1.0, 0.5)
    assert told(np.array([[6.0, 1, 4], [0.0, 0, 0]])) == (1.5, 0.25)
    assert told(np.zeros((2, 3))) is None


class Fixed:
    """A model whose logits are the user's attribute times the item's index."""

    def users(self, attribute_idx, history_idx, known):
        return tf.cast(attribute_idx, tf.float32)

    def items(self, item_idx, id_idx):
        return tf.cast(item_idx, tf.float32)[:, None]


def test_the_loss_is_that_of_a_softmax_over_the_candidates():
    candidates = np.arange(1, 31, dtype=np.int32)
    rows = np.array([[1], [-1]], np.int32)
    task = ColdTask(rows, np.zeros_like(rows), np.array([29, 15]), candidates, candidates)
    loss, found, n = sums(Fixed(), task, KNOWN)
    shares = [np.exp(sign * candidates) / np.exp(sign * candidates).sum() for sign in (1.0, -1.0)]
    np.testing.assert_allclose(loss, -np.log(shares[0][29]) - np.log(shares[1][15]), rtol=1e-5)
    assert (found, n) == (1, 2)  # the item 16 is the sixteenth from the lowest

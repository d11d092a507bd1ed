import numpy as np
import pytest
import tensorflow as tf

from recsys_spark.coldstart import model as towers
from recsys_spark.coldstart.catalogue import Catalogue, catalogue
from recsys_spark.coldstart.model import EmbeddingTable, TwoTowers

KNOWN = tf.constant([0, 1, 2, 0], tf.int32)


def _catalogue(dense_width: int = 2) -> Catalogue:
    return catalogue(
        {
            "item_idx": np.array([1, 2, 3]),
            "feature_idx": np.array([[1, 2], [1, 0], [1, 2]]),
            "dense": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])[:, :dense_width],
            "log_q": np.zeros(3),
            "is_held_out": np.zeros(3, bool),
        }
    )


def _model(dense_width: int = 2) -> TwoTowers:
    return TwoTowers(_catalogue(dense_width), n_attributes=4, width=8, hidden=(6,), temperature=0.5)


def test_the_mean_of_an_embedding_leaves_padding_out():
    table = EmbeddingTable(3, 2)
    table.table.assign([[9.0, 9.0], [1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert table.mean(tf.constant([[1, 3, 0], [0, 0, 0]])).numpy().tolist() == [[3.0, 4.0], [0.0, 0.0]]


@pytest.mark.parametrize("dense_width", [0, 2])
def test_items_have_unit_length_and_users_the_inverse_temperature(dense_width):
    model = _model(dense_width)
    items = model.items(tf.constant([1, 2, 3]), tf.constant([1, 2, 0]))
    users = model.users(tf.constant([[1, 0], [0, 0]]), tf.constant([[1, 2], [0, 0]]), KNOWN)
    np.testing.assert_allclose(np.linalg.norm(items, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(users, axis=1)[0], 2.0, rtol=1e-5)
    assert np.isfinite(users.numpy()).all()


def test_items_of_equal_content_differ_only_by_their_known_id():
    model = _model()
    hidden = model.items(tf.constant([1, 3]), tf.constant([0, 0])).numpy()
    np.testing.assert_allclose(hidden[0], hidden[1], rtol=1e-6)
    known = model.items(tf.constant([1, 3]), tf.constant([1, 3])).numpy()
    assert np.abs(known[0] - known[1]).max() > 1e-4


def test_an_unknown_item_of_the_history_counts_by_its_content():
    """Items 1 and 3 have one content; with item 1 unknown too, their histories are the same."""
    model = _model()
    attributes = tf.constant([[1, 0], [1, 0]])
    history = tf.constant([[1, 0], [3, 0]])
    alike = model.users(attributes, history, tf.constant([0, 0, 0, 0])).numpy()
    np.testing.assert_allclose(alike[0], alike[1], rtol=1e-6)
    apart = model.users(attributes, history, KNOWN).numpy()
    assert np.abs(apart[0] - apart[1]).max() > 1e-4


def test_the_order_of_the_history_does_not_matter():
    model = _model()
    both = model.users(tf.constant([[1, 0], [1, 0]]), tf.constant([[1, 2], [2, 1]]), KNOWN).numpy()
    np.testing.assert_allclose(both[0], both[1], rtol=1e-5)


def test_gradients_of_embeddings_are_sparse():
    model = _model()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model.items(tf.constant([1, 2]), tf.constant([1, 2]))[:, 0])
    assert isinstance(tape.gradient(loss, model.item_ids.table.value), tf.IndexedSlices)


def _mean_and_gradient(idx: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Of a table of 299 rows whose values are their own squares; the gradient of the sum, as a whole table."""
    table = EmbeddingTable(299, 2)
    table.table.assign(tf.repeat(tf.square(tf.range(300.0))[:, None], 2, axis=1))

    @tf.function
    def both(idx: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            mean = table.mean(idx)
        return mean, tf.convert_to_tensor(tape.gradient(mean, table.table.value))

    mean, gradient = both(tf.constant(idx))
    return mean.numpy(), gradient.numpy()


@pytest.mark.parametrize("idx", [[[3, 1, 0], [0, 0, 0], [3, 3, 2]], [[0, 0]], [[299]]])
def test_a_table_of_few_rows_has_the_means_and_gradients_of_one_of_many(monkeypatch, idx):
    few = _mean_and_gradient(idx)
    monkeypatch.setattr(towers, "FEW_ROWS", 0)
    for found, expected in zip(few, _mean_and_gradient(idx), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("few_rows", [0, 10_000])
def test_the_gradient_of_a_mean_is_one_share_for_each_time_a_row_is_named(monkeypatch, few_rows):
    monkeypatch.setattr(towers, "FEW_ROWS", few_rows)
    _, gradient = _mean_and_gradient([[3, 1, 0], [0, 0, 0], [3, 3, 2]])
    expected = np.zeros((300, 2))
    expected[[1, 2, 3]] = np.array([1 / 2, 1 / 3, 1 / 2 + 2 / 3])[:, None]
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


@pytest.mark.parametrize("dense_width", [0, 2])
def test_the_content_of_a_history_is_the_mean_of_its_items_contents(dense_width):
    model = _model(dense_width)
    if model.dense_part:
        model.dense_part.bias.assign(tf.range(8.0))
    content = model.content(tf.constant([1, 2, 3])).numpy()
    found = model._history(tf.constant([[2, 0, 3], [0, 0, 0]]), KNOWN)[1].numpy()
    np.testing.assert_allclose(found, [content[1:].mean(axis=0), np.zeros(content.shape[1])], rtol=1e-5, atol=1e-6)

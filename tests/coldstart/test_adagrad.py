import numpy as np
import tensorflow as tf

from recsys_spark.coldstart.adagrad import INITIAL_ACCUMULATOR, Adagrad, with_distinct_rows


def test_rows_named_twice_count_once_with_the_sum_and_others_stay():
    weight = tf.Variable([[1.0], [1.0], [1.0]])
    gradient = tf.IndexedSlices(tf.constant([[1.0], [2.0]]), tf.constant([2, 2]), (3, 1))
    Adagrad([weight], [0.5]).apply([with_distinct_rows(gradient)])
    expected = 1 - 0.5 * 3 / np.sqrt(INITIAL_ACCUMULATOR + 9)
    np.testing.assert_allclose(weight.numpy(), [[1.0], [1.0], [expected]], rtol=1e-5)


def test_dense_gradients_move_every_weight_and_accumulate():
    weight = tf.Variable([1.0, -1.0])
    optimizer = Adagrad([weight], [0.5])
    optimizer.apply([tf.constant([1.0, 0.0])])
    optimizer.apply([tf.constant([1.0, 0.0])])
    steps = 0.5 / np.sqrt(INITIAL_ACCUMULATOR + 1) + 0.5 / np.sqrt(INITIAL_ACCUMULATOR + 2)
    np.testing.assert_allclose(weight.numpy(), [1 - steps, -1.0], rtol=1e-5)


def test_a_missing_gradient_leaves_weight_and_accumulator():
    weight = tf.Variable([1.0])
    optimizer = Adagrad([weight], [0.5])
    optimizer.apply([None])
    assert weight.numpy() == [1.0]
    assert optimizer.accumulators[0].numpy() == [np.float32(INITIAL_ACCUMULATOR)]


def test_each_weight_has_its_rate():
    weights = [tf.Variable([1.0]), tf.Variable([1.0])]
    Adagrad(weights, [0.5, 0.05]).apply([tf.constant([3.0]), tf.constant([3.0])])
    steps = [1 - weight.numpy()[0] for weight in weights]
    np.testing.assert_allclose(steps, [rate * 3 / np.sqrt(INITIAL_ACCUMULATOR + 9) for rate in (0.5, 0.05)], rtol=1e-5)

import numpy as np
import tensorflow as tf

from recsys_spark.coldstart.adagrad import DENSE_SHARE, INITIAL_ACCUMULATOR, Adagrad


def test_rows_named_twice_count_once_with_the_sum_and_others_stay():
    weight = tf.Variable([[1.0], [1.0], [1.0]])
    Adagrad([weight], 0.5).apply([tf.IndexedSlices(tf.constant([[1.0], [2.0]]), tf.constant([2, 2]), (3, 1))])
    expected = 1 - 0.5 * 3 / np.sqrt(INITIAL_ACCUMULATOR + 9)
    np.testing.assert_allclose(weight.numpy(), [[1.0], [1.0], [expected]], rtol=1e-5)


def test_dense_gradients_move_every_weight_and_accumulate():
    weight = tf.Variable([1.0, -1.0])
    optimizer = Adagrad([weight], 0.5)
    optimizer.apply([tf.constant([1.0, 0.0])])
    optimizer.apply([tf.constant([1.0, 0.0])])
    rate = 0.5 * DENSE_SHARE
    steps = rate / np.sqrt(INITIAL_ACCUMULATOR + 1) + rate / np.sqrt(INITIAL_ACCUMULATOR + 2)
    np.testing.assert_allclose(weight.numpy(), [1 - steps, -1.0], rtol=1e-5)


def test_a_missing_gradient_leaves_weight_and_accumulator():
    weight = tf.Variable([1.0])
    optimizer = Adagrad([weight], 0.5)
    optimizer.apply([None])
    assert weight.numpy() == [1.0]
    assert optimizer.accumulators[0].numpy() == [np.float32(INITIAL_ACCUMULATOR)]

import numpy as np
import pytest
import tensorflow as tf

from recsys_spark.coldstart.loss import sampled_softmax

USERS = tf.constant([[1.0, 0.0], [0.0, 2.0]])
ITEMS = tf.constant([[1.0, 0.0], [0.0, 1.0]])


def _loss(items=ITEMS, idx=(1, 2), log_q=(0.0, 0.0), weight=(1.0, 1.0)) -> float:
    idx, log_q, weight = tf.constant(idx), tf.constant(log_q), tf.constant(weight)
    return float(sampled_softmax(USERS, items, idx, log_q, weight))


def test_mean_of_the_two_cross_entropies():
    # logits: [[1, 0], [0, 2]]; row losses log(1 + e^-1) and log(1 + e^-2).
    assert _loss() == pytest.approx((np.log(1 + np.exp(-1)) + np.log(1 + np.exp(-2))) / 2, rel=1e-6)


def test_log_q_is_subtracted_from_the_column():
    # Item 1 is 4 times as likely in a batch: its column loses log 4. Rows: [1 - log 4, 0], [-log 4, 2].
    first = np.log(1 + np.exp(-(1 - np.log(4))))
    second = np.log(1 + np.exp(-np.log(4) - 2))
    assert _loss(log_q=(float(np.log(4)), 0.0)) == pytest.approx((first + second) / 2, rel=1e-6)


def test_the_same_item_in_another_row_is_no_negative():
    assert _loss(items=tf.constant([[1.0, 0.0], [1.0, 0.0]]), idx=(7, 7)) == pytest.approx(0.0, abs=1e-6)


def test_weights_average_the_rows_and_zero_leaves_one_out():
    first, second = np.log(1 + np.exp(-1)), np.log(1 + np.exp(-2))
    assert _loss(weight=(3.0, 1.0)) == pytest.approx((3 * first + second) / 4, rel=1e-6)
    assert _loss(weight=(0.0, 1.0)) == pytest.approx(second, rel=1e-6)
    assert _loss(weight=(0.0, 0.0)) == 0.0

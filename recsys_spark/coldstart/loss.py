"""In-batch sampled softmax with the logQ correction.

Each user's item competes with the other items of the batch. Popular items appear in batches more often than a uniform
sample would hold them; subtracting log Q(item) from the logit takes that bias out.

Source: Yi et al. (2019), Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, RecSys.
"""

from __future__ import annotations

import tensorflow as tf

MASKED = -1e9


def sampled_softmax(
    users: tf.Tensor, items: tf.Tensor, item_idx: tf.Tensor, log_q: tf.Tensor, weight: tf.Tensor
) -> tf.Tensor:
    """Weighted mean of ``-log softmax_j(users_i . items_j - log_q_j)[i]``.

    A column that holds row i's own item again is no negative and is masked.

    Args:
        users: float32 [batch, width], divided by the temperature.
        items: float32 [batch, width], unit length; row i is the item of user i.
        item_idx: int32 [batch], to recognise the same item in two rows.
        log_q: float32 [batch], log of each item's share of the examples.
        weight: float32 [batch], of each row; weights of 0 leave a row out.

    Returns:
        float32 scalar; 0 if all weights are 0.
    """
    logits = tf.matmul(users, items, transpose_b=True) - log_q[None, :]
    n_rows = tf.shape(item_idx)[0]
    same_item = tf.equal(item_idx[:, None], item_idx[None, :]) & ~tf.eye(n_rows, dtype=tf.bool)
    logits = tf.where(same_item, MASKED, logits)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.range(n_rows), logits=logits)
    return tf.math.divide_no_nan(tf.reduce_sum(losses * weight), tf.reduce_sum(weight))

"""Adagrad that touches only the rows a sparse gradient names.

Keras 3 turns sparse gradients of an embedding into dense updates of the whole table; with many items that is most of a
step. Source of the rule: Duchi, Hazan and Singer (2011), Adaptive Subgradient Methods, JMLR 12.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

INITIAL_ACCUMULATOR = 0.1
DENSE_SHARE = 0.1
"""Layers learn at this share of the rate of embeddings: every example moves them, and large steps kill their units."""
EPSILON = 1e-7


def with_distinct_rows(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """The gradient with each row named once, with the sum of what it is named with; indices come flat."""
    rows, position = tf.unique(tf.reshape(gradient.indices, [-1]))
    values = tf.reshape(gradient.values, [-1, gradient.values.shape[-1]])
    summed = tf.math.unsorted_segment_sum(values, position, tf.size(rows))
    return tf.IndexedSlices(summed, rows, gradient.dense_shape)


class Adagrad:
    """One accumulator per weight: ``a += g * g; w -= rate * g / (sqrt(a) + epsilon)``."""

    def __init__(self, variables: Sequence[tf.Variable], learning_rate: float) -> None:
        self.variables = list(variables)
        self.learning_rate = learning_rate
        self.accumulators = [tf.Variable(tf.fill(v.shape, INITIAL_ACCUMULATOR), trainable=False) for v in variables]

    def apply(self, gradients: Sequence[tf.Tensor | tf.IndexedSlices | None]) -> None:
        """One step; None leaves a weight as it is."""
        for weight, accumulator, gradient in zip(self.variables, self.accumulators, gradients, strict=True):
            if isinstance(gradient, tf.IndexedSlices):
                self._apply_rows(weight, accumulator, gradient)
            elif gradient is not None:
                total = accumulator.assign_add(tf.square(gradient))
                rate = DENSE_SHARE * self.learning_rate
                weight.assign_sub(rate * gradient / (tf.sqrt(total) + EPSILON))

    def _apply_rows(self, weight: tf.Variable, accumulator: tf.Variable, gradient: tf.IndexedSlices) -> None:
        """Rows named twice count once, with the sum of their gradients."""
        distinct = with_distinct_rows(gradient)
        rows, summed = distinct.indices, distinct.values
        accumulator.scatter_add(tf.IndexedSlices(tf.square(summed), rows))
        total = tf.nn.embedding_lookup(accumulator, rows)
        weight.scatter_sub(tf.IndexedSlices(self.learning_rate * summed / (tf.sqrt(total) + EPSILON), rows))

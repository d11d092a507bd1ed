"""Adagrad that touches only the rows a sparse gradient names.

Keras 3 turns sparse gradients of an embedding into dense updates of the whole table; with many items that is most of a
step. Source of the rule: Duchi, Hazan and Singer (2011), Adaptive Subgradient Methods, JMLR 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

INITIAL_ACCUMULATOR = 0.1
LAYER_SHARE = 0.1
"""Layers learn at this share of the rate of embeddings: every example moves them, and large steps kill their units."""
EPSILON = 1e-7


class NamedRows(NamedTuple):
    """Rows of a table, each once, and what names them."""

    rows: tf.Tensor
    """[n rows], of the indices' type."""
    position: tf.Tensor
    """int32 [n indices]: where in ``rows`` each index lies."""


def named_rows(indices: tf.Tensor) -> NamedRows:
    """The rows that indices of any shape name, in the order in which they are first named."""
    return NamedRows(*tf.unique(tf.reshape(indices, [-1])))


def summed_rows(values: tf.Tensor, rows: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """[n rows, width]: the sum of the values of each row; ``values`` are [..., width], one for each position."""
    return tf.math.unsorted_segment_sum(tf.reshape(values, [-1, values.shape[-1]]), position, tf.size(rows))


def with_distinct_rows(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """The gradient with each row named once, with the sum of what it is named with; indices come flat."""
    named = named_rows(gradient.indices)
    return tf.IndexedSlices(summed_rows(gradient.values, *named), named.rows, gradient.dense_shape)


class Adagrad:
    """One accumulator per weight: ``a += g * g; w -= rate * g / (sqrt(a) + epsilon)``."""

    def __init__(self, variables: Sequence[tf.Variable], rates: Sequence[float]) -> None:
        """Make the accumulators.

        Args:
            variables: what learns.
            rates: the learning rate of each of them.
        """
        self.variables = list(variables)
        self.rates = list(rates)
        self.accumulators = [tf.Variable(tf.fill(v.shape, INITIAL_ACCUMULATOR), trainable=False) for v in variables]

    def apply(self, gradients: Sequence[tf.Tensor | tf.IndexedSlices | None]) -> None:
        """One step; None leaves a weight as it is.

        Args:
            gradients: one a variable; a sparse one names each row once, as :func:`with_distinct_rows` leaves it.
        """
        for weight, accumulator, rate, gradient in zip(
            self.variables, self.accumulators, self.rates, gradients, strict=True
        ):
            # TensorFlow's kernels of the rule go over the weights once; its operations would each go over them all.
            both = {"var": weight.handle, "accum": accumulator.handle, "lr": rate, "epsilon": EPSILON}
            if isinstance(gradient, tf.IndexedSlices):
                tf.raw_ops.ResourceSparseApplyAdagradV2(**both, grad=gradient.values, indices=gradient.indices)
            elif gradient is not None:
                tf.raw_ops.ResourceApplyAdagradV2(**both, grad=gradient)

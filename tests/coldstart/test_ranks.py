"""The mean of gradients over two ranks, which are threads that meet in place of Horovod."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from recsys_spark.coldstart.ranks import Gradient, Ranks


class Meeting:
    """What two ranks hand each other."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2, timeout=10)
        self.brought: dict[int, list[tf.Tensor]] = {}

    def of_both(self, rank: int, tensors: list[tf.Tensor]) -> list[tuple[tf.Tensor, ...]]:
        self.brought[rank] = tensors
        self.barrier.wait()
        pairs = list(zip(self.brought[0], self.brought[1], strict=True))
        self.barrier.wait()
        return pairs


class Peer:
    """Horovod as Ranks uses it."""

    def __init__(self, number: int, meeting: Meeting) -> None:
        self.number, self.meeting = number, meeting

    def rank(self) -> int:
        return self.number

    def size(self) -> int:
        return 2

    local_rank, local_size = rank, size

    def allgather(self, tensor: tf.Tensor) -> tf.Tensor:
        return tf.concat(self.meeting.of_both(self.number, [tensor])[0], axis=0)

    def grouped_allreduce(self, tensors: list[tf.Tensor]) -> list[tf.Tensor]:
        return [(one + other) / 2 for one, other in self.meeting.of_both(self.number, tensors)]


def _means(gradients_of: Callable[[int], Sequence[Gradient]]) -> list[list[Gradient]]:
    meeting = Meeting()
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda n: Ranks(Peer(n, meeting)).mean(gradients_of(n)), range(2)))


def _slices(indices: list[int], values: list[float]) -> tf.IndexedSlices:
    rows, column = tf.constant(indices, tf.int32), tf.constant(values, tf.float32)[:, None]
    return tf.IndexedSlices(column, rows, tf.constant([6, 1]))


def test_a_mean_names_each_row_of_any_rank_once_and_in_one_order():
    of = [
        [_slices([4, 1, 4], [1.0, 2.0, 3.0]), tf.constant([1.0]), None, _slices([0], [8.0])],
        [_slices([5, 4], [6.0, 10.0]), tf.constant([3.0]), None, _slices([3], [2.0])],
    ]
    for sparse, dense, absent, other in _means(of.__getitem__):
        assert sparse.indices.numpy().tolist() == [4, 1, 5]
        assert sparse.values.numpy().tolist() == [[7.0], [1.0], [3.0]]
        assert dense.numpy().tolist() == [2.0]
        assert absent is None
        assert (other.indices.numpy().tolist(), other.values.numpy().tolist()) == ([0, 3], [[4.0], [1.0]])


def test_a_rank_that_names_no_row_gets_those_of_the_other():
    of = [[_slices([], [])], [_slices([2], [6.0])]]
    for (mean,) in _means(of.__getitem__):
        np.testing.assert_array_equal(tf.convert_to_tensor(mean)[:, 0], [0, 0, 3, 0, 0, 0])


def test_alone_a_rank_names_each_row_once():
    (mean,) = Ranks().mean([_slices([4, 1, 4], [1.0, 2.0, 3.0])])
    assert (mean.indices.numpy().tolist(), mean.values.numpy().tolist()) == ([4, 1], [[4.0], [2.0]])

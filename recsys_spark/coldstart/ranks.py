"""The training processes and what they exchange; one process needs no Horovod.

Only tensors travel. Horovod's object functions unpickle what they receive, so they are not used.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from recsys_spark.coldstart.adagrad import with_distinct_rows
from recsys_spark.errors import TrainingError

Gradient: TypeAlias = "tf.Tensor | tf.IndexedSlices | None"


class Ranks:
    """This process among its peers; every method is collective: all ranks call it, in the same order."""

    def __init__(self, horovod: Any = None) -> None:
        self._hvd = horovod
        self.rank: int = horovod.rank() if horovod else 0
        self.size: int = horovod.size() if horovod else 1
        self.local_rank: int = horovod.local_rank() if horovod else 0
        self.local_size: int = horovod.local_size() if horovod else 1

    @staticmethod
    def join() -> Ranks:
        """Join the peers if a Horovod launcher started this process."""
        if "HOROVOD_RANK" not in os.environ:
            return Ranks()
        import horovod.tensorflow as hvd  # only where a launcher of Horovod started this process

        hvd.init()
        return Ranks(hvd)

    def mean(self, gradients: Sequence[Gradient]) -> list[Gradient]:
        """Means over the ranks. Dense gradients travel as one; of sparse ones, of one width, each row travels once."""
        if self.size == 1:
            return list(gradients)
        dense = {n: one for n, one in enumerate(gradients) if isinstance(one, tf.Tensor)}
        sparse = {n: with_distinct_rows(one) for n, one in enumerate(gradients) if isinstance(one, tf.IndexedSlices)}
        found: dict[int, Gradient] = dict.fromkeys(range(len(gradients)))
        found |= zip(dense, self._hvd.grouped_allreduce(list(dense.values())), strict=True)
        return list((found | self._gathered(sparse)).values())

    def _gathered(self, sparse: dict[int, tf.IndexedSlices]) -> dict[int, Gradient]:
        """The rows of all ranks, by one exchange of values and one of what they belong to."""
        if not sparse:
            return {}
        values = self._hvd.allgather(tf.concat([one.values for one in sparse.values()], axis=0)) / self.size
        rows = {n: tf.cast(one.indices, tf.int32) for n, one in sparse.items()}
        of = [tf.stack([tf.fill(tf.shape(index), n), index], axis=1) for n, index in rows.items()]
        named = self._hvd.allgather(tf.concat(of, axis=0))
        found: dict[int, Gradient] = {}
        for n, one in sparse.items():
            own = tf.equal(named[:, 0], n)
            indices = tf.boolean_mask(named[:, 1], own)
            found[n] = tf.IndexedSlices(tf.boolean_mask(values, own), indices, one.dense_shape)
        return found

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """Give every rank the values of rank 0."""
        if self.size > 1:
            self._hvd.broadcast_variables(variables, root_rank=0)

    def share(self, values: np.ndarray) -> np.ndarray:
        """The values of rank 0 on every rank; shapes must agree."""
        return self._hvd.broadcast(tf.constant(values), root_rank=0).numpy() if self.size > 1 else values

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum over the ranks, element by element."""
        return self._hvd.allreduce(tf.constant(values), op=self._hvd.Sum).numpy() if self.size > 1 else values

    def smallest(self, value: int) -> int:
        """Minimum over the ranks."""
        if self.size == 1:
            return value
        return int(self._hvd.allgather(tf.constant([value], tf.int64)).numpy().min())

    def assert_equal(self, digest: bytes, what: str) -> None:
        """Compare a digest over all ranks.

        Raises:
            TrainingError: ranks disagree.
        """
        if self.size == 1:
            return
        rows = self._hvd.allgather(tf.constant(np.frombuffer(digest, np.uint8)[None, :])).numpy()
        found = [bytes(row).hex()[:12] for row in rows]
        if len(set(found)) > 1:
            raise TrainingError(
                f"{what} differ between ranks: {found}; expected one value. Gradients were not averaged: "
                "check that all ranks run the same versions of TensorFlow and Horovod on the same files."
            )

"""The training processes and what they exchange; one process needs no Horovod.

Only tensors travel. Horovod's object functions unpickle what they receive, so they are not used.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from recsys_spark.coldstart.adagrad import NamedRows, named_rows, summed_rows, with_distinct_rows
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
        """Means over the ranks; sparse ones name each row once, those of all ranks in one order on every rank.

        A sparse gradient travels as the rows that any rank names, with zeros where this one does not name them: so all
        values are summed in one exchange, and nothing that arrives has to be sorted out.
        """
        if self.size == 1:
            return [with_distinct_rows(one) if isinstance(one, tf.IndexedSlices) else one for one in gradients]
        own = {n: one for n, one in enumerate(gradients) if isinstance(one, tf.Tensor)}
        sparse = {n: one for n, one in enumerate(gradients) if isinstance(one, tf.IndexedSlices)}
        named = {n: self._named_by_any(one.indices) for n, one in sparse.items()}
        own |= {n: summed_rows(one.values, *named[n]) for n, one in sparse.items()}
        means = dict(zip(own, self._hvd.grouped_allreduce(list(own.values())), strict=True))
        means |= {n: tf.IndexedSlices(means[n], named[n].rows, one.dense_shape) for n, one in sparse.items()}
        return [means.get(n) for n in range(len(gradients))]

    def _named_by_any(self, indices: tf.Tensor) -> NamedRows:
        """The rows that some rank names, in one order on all, and where this rank's indices lie among them.

        This needs nothing of the model, so TensorFlow runs it beside the forward pass.
        """
        own = named_rows(indices)
        gathered = self._hvd.allgather(own.rows)
        rows, position = tf.unique(tf.concat([gathered, own.rows], axis=0))  # the last ones add no row
        return NamedRows(rows, tf.gather(position[tf.size(gathered) :], own.position))

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

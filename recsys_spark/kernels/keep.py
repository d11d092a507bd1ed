"""What is computed once, read several times, and let go of: frames of ours, and what Spark's own models hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import DataFrame, SparkSession

Keep = Callable[[DataFrame], DataFrame]
"""Marks a frame to be held, from its first reading on; ``unpersist`` lets go of it early."""


@contextmanager
def keeping() -> Iterator[Keep]:
    """A function that holds the frames it is given on the executors, in memory or on disk, until the ``with`` ends.

    What an executor takes with it is computed again, from the frames before. A local checkpoint has forgotten those
    frames: there a lost executor ends the job.
    """
    kept: list[DataFrame] = []

    def keep(frame: DataFrame) -> DataFrame:
        kept.append(frame.persist())
        return frame

    try:
        yield keep
    finally:
        for frame in kept:
            frame.unpersist()


@contextmanager
def let_go_of_rdds(spark: SparkSession) -> Iterator[None]:
    """Let go, at the end of the ``with``, of all RDDs that it caused to be held on the executors.

    Spark's ALS holds its blocks of ratings until the driver's JVM happens to collect garbage.
    """
    before = set(_held_rdds(spark))
    try:
        yield
    finally:
        for number, rdd in _held_rdds(spark).items():
            if number not in before:
                rdd.unpersist(False)


def _held_rdds(spark: SparkSession) -> dict[int, Any]:
    return dict(spark.sparkContext._jsc.getPersistentRDDs())

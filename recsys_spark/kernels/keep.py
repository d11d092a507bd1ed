"""Frames that are computed once, read several times, and survive the loss of an executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame

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

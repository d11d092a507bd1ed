"""Spark jobs of one driver at the same time: while one is planned or committed, another's tasks fill the cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession

T = TypeVar("T")
MOST_AT_ONCE = 8
"""Threads of a driver: enough to keep the cores busy, few enough for its memory."""


def together(spark: SparkSession, works: Sequence[Callable[[], T]]) -> list[T]:
    """Run works that do not need each other, each in a thread, and hand back what they return, in their order.

    A thread has the job description of its caller. Returns, or raises, when all have ended.

    Raises:
        Exception: what the first of them, in their order, raised.
    """
    with ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="together") as pool:
        # Each gets local properties of its own, or one's job description would be every other's.
        running = [pool.submit(inheritable_thread_target(spark)(work)) for work in works]
    return [one.result() for one in running]

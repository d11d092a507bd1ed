"""What lies behind a path, by its names alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pyspark.sql import SparkSession

from recsys_spark.storage import located


def first_names(spark: SparkSession, path: str, limit: int) -> list[str]:
    """Names of at most so many files that a file, folder or glob stands for, those of folders within it included.

    Files and folders that Spark passes over (_SUCCESS, .crc) do not count. In a folder of more files, which of them
    are named is up to the storage.
    """
    return list(islice(_names(spark, path), limit))


def _names(spark: SparkSession, path: str) -> Iterator[str]:
    storage, absolute = located(spark, path)
    for status in storage.globStatus(absolute) or ():
        if not status.isDirectory():
            yield status.getPath().getName()
            continue
        within = storage.listFiles(status.getPath(), True)
        root = status.getPath().toString()
        while within.hasNext():
            parts = within.next().getPath().toString().removeprefix(root).strip("/").split("/")
            if not any(part.startswith((".", "_")) and "=" not in part for part in parts):
                yield parts[-1]

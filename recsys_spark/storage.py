"""Files wherever they lie: local, or behind any URI that Spark's Hadoop file systems know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession


def located(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    """The Hadoop file system of a path, and the path as it takes it, absolute."""
    context = spark.sparkContext
    path = context._jvm.org.apache.hadoop.fs.Path(uri)  # type: ignore[union-attr]
    files = path.getFileSystem(context._jsc.hadoopConfiguration())
    return files, files.makeQualified(path)


def first_line(spark: SparkSession, uri: str) -> str | None:
    """The first line of a text file in UTF-8; None if there is no such file, or nothing in it."""
    files, path = located(spark, uri)
    if not files.exists(path):
        return None
    java = spark.sparkContext._jvm.java.io  # type: ignore[union-attr]
    reader = java.BufferedReader(java.InputStreamReader(files.open(path), "UTF-8"))
    try:
        return reader.readLine()
    finally:
        reader.close()


def fetch(spark: SparkSession, uris: Sequence[str], folder: Path) -> list[Path]:
    """Copy files to a folder of this machine, each under its own name; one that is there in its length stays."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for uri in uris:
        files, path = located(spark, uri)
        copy = folder / path.getName()
        if not copy.exists() or copy.stat().st_size != files.getFileStatus(path).getLen():
            files.copyToLocalFile(False, path, located(spark, f"file://{copy}")[1], True)  # True: no checksum beside it
        copies.append(copy)
    return copies


def put(spark: SparkSession, folder: Path, uri: str) -> None:
    """Copy a folder of this machine to a URI, in the place of what is there."""
    remove(spark, uri)
    files, path = located(spark, uri)
    files.copyFromLocalFile(False, True, located(spark, f"file://{folder}")[1], path)


def remove(spark: SparkSession, uri: str) -> None:
    """Remove a folder and all that is in it, if there is one."""
    files, path = located(spark, uri)
    files.delete(path, True)

"""Files wherever they lie: local, or behind any URI that Spark's Hadoop file systems know."""

from __future__ import annotations

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

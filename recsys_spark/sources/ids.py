"""A list of user ids out of a file."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.errors import SourceError
from recsys_spark.sources.formats import readable


def read_ids(spark: SparkSession, path: str) -> DataFrame:
    """user_id: one per line of a text file, as the source writes them; blank lines and repeats do not count.

    Raises:
        SourceError: the file is missing or holds no id.
    """
    with readable(f"the list of user ids at {path}"):
        ids = spark.read.text(path).select(F.trim("value").alias("user_id")).where("user_id <> ''").distinct()
        if ids.isEmpty():
            raise SourceError(f"{path} holds no user id; expected one per line")
    return ids

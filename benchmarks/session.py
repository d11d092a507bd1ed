"""The Spark session of both sides: this project's own settings, which Spark's defaults for a laptop are part of."""

from __future__ import annotations

from pyspark.sql import SparkSession

from recsys_spark.config.running import SparkSettings
from recsys_spark.session import open_session


def local_session() -> SparkSession:
    """The running session, else one on this machine's cores."""
    return open_session(SparkSettings(driver_memory="6g"), "recsys benchmarks")

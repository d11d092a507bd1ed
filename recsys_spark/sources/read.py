"""Choose the adapter that the settings name."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import SparkSession

from recsys_spark.config.source import SourceSettings
from recsys_spark.sources.completejourney import read_completejourney
from recsys_spark.sources.files import read_files
from recsys_spark.sources.jdbc import read_jdbc
from recsys_spark.sources.raw import RawTables
from recsys_spark.sources.synthetic import make_shop


def read_source(spark: SparkSession, settings: SourceSettings, as_of: datetime | None = None) -> RawTables:
    """Raw tables from the source that ``settings.kind`` names; ``as_of``, where known, spares a database later rows."""
    if settings.kind == "files":
        return read_files(spark, settings)
    if settings.kind == "jdbc" and settings.jdbc:
        return read_jdbc(spark, settings.jdbc, as_of)
    if settings.kind == "synthetic":
        return make_shop(spark, settings.synthetic)
    return read_completejourney(spark)

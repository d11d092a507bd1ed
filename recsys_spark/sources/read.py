"""Choose the adapter that the settings name."""

from __future__ import annotations

from pyspark.sql import SparkSession

from recsys_spark.config.settings import SourceSettings
from recsys_spark.sources.completejourney import read_completejourney
from recsys_spark.sources.files import read_files
from recsys_spark.sources.raw import RawTables
from recsys_spark.sources.synthetic import make_shop


def read_source(spark: SparkSession, settings: SourceSettings) -> RawTables:
    """Raw tables from the source that ``settings.kind`` names."""
    if settings.kind == "files":
        return read_files(spark, settings)
    if settings.kind == "synthetic":
        return make_shop(spark, settings.synthetic)
    return read_completejourney(spark)

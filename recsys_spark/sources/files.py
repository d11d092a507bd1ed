"""The files source: events, and where there are any users and items, from Parquet, CSV, JSON lines or Delta."""

from __future__ import annotations

from pyspark.sql import SparkSession

from recsys_spark.config.source import SourceSettings
from recsys_spark.errors import SettingsError
from recsys_spark.sources.formats import read_table
from recsys_spark.sources.mapping import map_tables
from recsys_spark.sources.raw import RawTables


def read_files(spark: SparkSession, settings: SourceSettings) -> RawTables:
    """Raw tables from files; users and items without files of their own are the ids of the events.

    Raises:
        SettingsError: the settings name no events.
        SourceError: a path is missing, empty or cannot be read.
        ContractError: a mapping does not fit the contract or the source.
    """
    if settings.events is None:
        raise SettingsError("source.events is missing; say where the events are: source.events.path")
    return map_tables({name: (read_table(spark, name, table), table) for name, table in settings.tables.items()})

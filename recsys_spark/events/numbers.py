"""The numbers of a user or item under one roof: its measures and, for an item, its price."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.events.duplicates import DUPLICATE
from recsys_spark.events.rules import REASONS

NUMBERS = "_numbers"
"""map<string,double>; names that the row lacks are absent."""

PRICE = "\u0000price"
"""Key of an item's price; a source cannot name a measure so."""


def with_numbers(frame: DataFrame) -> DataFrame:
    """The frame with NUMBERS."""
    numbers = F.col("measures")
    if "price" in frame.columns:
        price = F.when(F.col("price").isNotNull(), F.create_map(F.lit(PRICE), F.col("price")))
        numbers = F.map_concat(numbers, F.coalesce(price, F.create_map().cast("map<string,double>")))
    return frame.withColumn(NUMBERS, numbers)


def without_numbers(frame: DataFrame) -> DataFrame:
    """The frame with measures and price taken from NUMBERS, which goes."""
    columns = {"measures": F.map_filter(NUMBERS, lambda name, _: name != PRICE)}
    if "price" in frame.columns:
        columns["price"] = F.try_element_at(NUMBERS, F.lit(PRICE))
    return frame.withColumns(columns).drop(NUMBERS)


def accepted(frame: DataFrame) -> DataFrame:
    """The rows that stay."""
    kept = frame.where(F.size(REASONS) == 0)
    return kept.where(~F.col(DUPLICATE)) if DUPLICATE in frame.columns else kept


def per_name(frame: DataFrame, statistic: Column, alias: str) -> DataFrame:
    """One row with a map from each number's name to a statistic over the accepted rows.

    Args:
        frame: rows with NUMBERS.
        statistic: an aggregate of the column ``number``.
        alias: name of the map's column.
    """
    numbers = accepted(frame).select(F.explode(NUMBERS).alias("name", "number"))
    each = numbers.groupBy("name").agg(statistic.alias("statistic"))
    # Sorted, so that the map's order does not depend on which task was first.
    entries = F.sort_array(F.collect_list(F.struct("name", "statistic")))
    return each.agg(F.map_from_entries(entries).alias(alias))

"""Missing numbers of users and items: refuse the row, or fill from a constant, the others, or the nearest."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.describing import CleaningSettings
from recsys_spark.events.knn import nearest_fillers
from recsys_spark.events.numbers import NUMBERS, PRICE, per_name
from recsys_spark.events.quality import CHANGES
from recsys_spark.events.rules import with_reason
from recsys_spark.kernels.bins import significant

_NAMES = "_names"
_FILLERS = "_fillers"


def with_incomplete_refused(frame: DataFrame) -> DataFrame:
    """Add the reason ``number_missing`` where a row lacks a number that any accepted row has."""
    names = per_name(frame, F.count("*"), _NAMES).select(F.map_keys(_NAMES).alias(_NAMES))
    missing = F.size(F.array_except(_NAMES, F.map_keys(NUMBERS))) > 0
    return with_reason(frame.crossJoin(F.broadcast(names)), "number_missing", missing).drop(_NAMES)


def with_filled(frame: DataFrame, key: str, settings: CleaningSettings) -> DataFrame:
    """Fill NUMBERS as ``settings.fill_measures`` says and note ``filled:NAME`` in CHANGES.

    Names are those that any accepted row has; statistics are taken over the accepted rows, and rounded so that the
    order of rows does not decide: a mean to nine significant digits, the numbers that a median is of to five.
    """
    method = settings.fill_measures
    if method in ("none", "drop"):
        return frame
    if method == "knn":
        fillers = nearest_fillers(frame, key, settings.fill_neighbours, _FILLERS)
        return _apply(frame.join(fillers, key, how="left"))
    statistic = {
        "constant": F.max(F.lit(settings.fill_constant)),
        "mean": significant(F.avg("number"), 9),
        "median": F.percentile(significant(F.col("number"), 5), 0.5),
    }[method]
    return _apply(frame.crossJoin(F.broadcast(per_name(frame, statistic, _FILLERS))))


def _apply(frame: DataFrame) -> DataFrame:
    fillers = F.coalesce(_FILLERS, F.create_map().cast("map<string,double>"))
    absent = F.map_filter(fillers, lambda name, _: ~F.array_contains(F.map_keys(NUMBERS), name))
    filled = F.transform(F.map_keys(absent), lambda name: F.concat(F.lit("filled:"), _public(name)))
    # Two steps: withColumns would hand the new NUMBERS, which lack nothing, to CHANGES.
    told = frame.withColumn(CHANGES, F.concat(CHANGES, filled))
    return told.withColumn(NUMBERS, F.map_concat(NUMBERS, absent)).drop(_FILLERS)


def _public(name: Column) -> Column:
    return F.when(name == PRICE, F.lit("price")).otherwise(name)

"""Bring measures of different units to one scale."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.events.numbers import NUMBERS, PRICE, per_name
from recsys_spark.kernels.bins import significant

_SHIFT, _SPREAD = "_shift", "_spread"


def with_scaled(frame: DataFrame, method: str) -> DataFrame:
    """Scale NUMBERS over the accepted rows; an item's price keeps its currency.

    Args:
        frame: rows with NUMBERS.
        method: none; standard, (x - mean) / population deviation; or minmax, (x - min) / (max - min). A measure with
            one value alone becomes 0. Mean and deviation have nine digits, so that the order of rows does not decide.
    """
    if method == "none":
        return frame
    shift, spread = {
        "standard": (significant(F.avg("number"), 9), significant(F.stddev_pop("number"), 9)),
        "minmax": (F.min("number"), F.max("number") - F.min("number")),
    }[method]
    both = F.struct(shift.alias(_SHIFT), spread.alias(_SPREAD))
    scales = per_name(frame, both, "_scales")
    scaled = F.transform_values(
        NUMBERS,
        lambda name, value: F.when(name == PRICE, value).otherwise(
            F.coalesce(_scaled(value, F.try_element_at("_scales", name)), F.lit(0.0))
        ),
    )
    return frame.crossJoin(F.broadcast(scales)).withColumn(NUMBERS, scaled).drop("_scales")


def _scaled(value: Column, scale: Column) -> Column:
    return (value - scale[_SHIFT]) / F.nullif(scale[_SPREAD], F.lit(0.0))

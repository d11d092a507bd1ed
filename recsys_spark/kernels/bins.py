"""Quantile bins that come out the same on every run and every partitioning."""

from __future__ import annotations

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F

OFF_TIES = 1 + 1e-12
"""Sums of rounded numbers often lie half-way between two digits, where noise would decide; a hair above it does not."""
TINY = 1e-290
"""What is nearer to 0 is 0, since its power of ten lies beyond doubles: the decay of what somebody dated year 1."""


def significant(value: Column, digits: int) -> Column:
    """The value rounded to so many significant digits; null and NaN stay, and what is nearer to 0 than TINY is 0.

    Sums of doubles depend on the order in which a shuffle delivers them. Rounding them below that noise lets
    comparisons, and with them ranks, repeat.
    """
    scale = F.pow(F.lit(10.0), F.lit(digits - 1.0) - F.floor(F.log10(F.abs(value))))
    counted = F.when(F.isnan(value), value).otherwise(F.round(value * scale * OFF_TIES) / scale)
    return F.when(F.abs(value) < TINY, F.lit(0.0)).otherwise(counted)


def significant_values(values: np.ndarray, digits: int) -> np.ndarray:
    """The same of an array of float64, but for the last bit where the power of ten is no exact double."""
    counted = np.abs(values) >= TINY
    whole = np.where(counted, values, 1.0)
    scale = 10.0 ** (digits - 1.0 - np.floor(np.log10(np.abs(whole))))
    return np.where(counted, rounded(whole * scale * OFF_TIES, 0) / scale, np.where(np.isnan(values), values, 0.0))


def rounded(values: np.ndarray, places: int) -> np.ndarray:
    """Float64 far below 2^52 / 10^places rounded to so many places, halves away from zero as Spark does.

    NumPy rounds them to even digits.
    """
    scale = 10.0**places
    return np.copysign(np.floor(np.abs(values) * scale + 0.5) / scale, values)


def bin_edges(value: Column, bins: int) -> Column:
    """Aggregate: the inner edges of ``bins`` quantile bins, as array<double>; null when there is no value.

    Exact percentiles need memory for each distinct value, and approximate ones depend on the order of rows. Five
    significant digits (at most 90,000 values a decade) bound the memory and keep the edges reproducible.
    """
    shares = [k / bins for k in range(1, bins)]
    return F.percentile(significant(F.nanvl(value.cast("double"), F.lit(None).cast("double")), 5), shares)


def bin_of(value: Column, edges: Column) -> Column:
    """Bin number from 1: one more than the edges below the value. Equal values share a bin."""
    return F.size(F.filter(edges, lambda edge: edge < value)) + F.lit(1)

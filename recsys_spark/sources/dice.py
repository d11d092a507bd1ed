"""Randomness that is a function of a seed and a row's key: equal at any partitioning, in any order of evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

_STEPS = 2**52


def uniform(seed: int, purpose: str, *keys: Column) -> Column:
    """A double in [0, 1) per key; two purposes are independent of each other.

    The 52 low bits of xxHash64, so that every step is exact in a double.
    """
    return F.pmod(F.xxhash64(F.lit(seed), F.lit(purpose), *keys), F.lit(_STEPS)) / float(_STEPS)


def one_of(values: Sequence[str], draw: Column) -> Column:
    """The value at the share ``draw`` of the list; each is equally likely for a uniform draw."""
    return F.element_at(F.array(*[F.lit(v) for v in values]), index_of(len(values), draw) + 1)


def index_of(count: int, draw: Column) -> Column:
    """An int in [0, count) from a uniform draw."""
    return F.floor(draw * count).cast("int")


def exponential(mean: float | Column, draw: Column) -> Column:
    """An exponential variate by inversion: -mean * log(1 - draw)."""
    return -F.log1p(-draw) * mean


def normal(mean: float, deviation: float, first: Column, second: Column) -> Column:
    """A normal variate from two uniform draws (Box and Muller 1958)."""
    radius = F.sqrt(-2.0 * F.log1p(-first))
    return radius * F.cos(2.0 * math.pi * second) * deviation + mean

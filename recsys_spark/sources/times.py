"""How a column writes its times, by a sample of it and, where that leaves day and month open, by all of its rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.contracts.raw import EPOCH, ISO_DATE
from recsys_spark.sources.raw import column_of

ODD_SHARE = 0.01
"""Up to this share of odd values is a matter for the quarantine; with more, the column is another."""
TIME_PATTERNS = {
    "%Y/%m/%d %H:%M:%S": "yyyy/M/d H:m:s",
    "%Y/%m/%d": "yyyy/M/d",
    "%d/%m/%Y %H:%M:%S": "d/M/yyyy H:m:s",
    "%d/%m/%Y %H:%M": "d/M/yyyy H:m",
    "%d/%m/%Y": "d/M/yyyy",
    "%m/%d/%Y %H:%M:%S": "M/d/yyyy H:m:s",
    "%m/%d/%Y %H:%M": "M/d/yyyy H:m",
    "%m/%d/%Y": "M/d/yyyy",
    "%d.%m.%Y %H:%M": "d.M.yyyy H:m",
    "%d.%m.%Y": "d.M.yyyy",
    "%Y%m%d": "yyyyMMdd",
    "%Y%m%d%H": "yyyyMMddHH",
}
"""Python's pattern to Spark's.

Python takes one digit or two everywhere, Spark only where its pattern has one letter.
"""


def needs_no_pattern(values: Sequence[str]) -> bool:
    """Whether cleaning reads (nearly) all the values as they are: ISO 8601 or seconds since 1970."""
    return _nearly_all(values, _is_iso) or _nearly_all(values, _is_epoch)


def time_patterns(values: Sequence[str]) -> list[str]:
    """Spark's patterns that read (nearly) all the values; none where they need none or none of ours fits.

    Days as numbers, such as 20240131, need one as well: cleaning takes numbers for seconds since 1970.
    """
    if not values or needs_no_pattern(values):
        return []
    return [spark for python, spark in TIME_PATTERNS.items() if _nearly_all(values, partial(_fits, python))]


def is_time(value: str) -> bool:
    """Whether a value by itself reads as a time with its date."""
    return _is_iso(value) or _is_epoch(value) or any(_fits(pattern, value) for pattern in TIME_PATTERNS)


def best_patterns(frame: DataFrame, column: str, patterns: Sequence[str]) -> list[str]:
    """Those of the patterns that read the most rows; more than one where every row leaves it open.

    One aggregation over all rows, unless there is nothing to decide.
    """
    if len(patterns) < 2:
        return list(patterns)
    text = F.trim(column_of(column).cast("string"))
    read = [F.count(F.try_to_timestamp(text, F.lit(p))) for p in patterns]
    counts = frame.agg(*read).collect()[0]
    return [p for p, count in zip(patterns, counts, strict=True) if count == max(counts)]


def _nearly_all(values: Sequence[str], reads: Callable[[str], bool]) -> bool:
    return sum(not reads(value) for value in values) <= ODD_SHARE * len(values)


def _is_iso(value: str) -> bool:
    return re.match(ISO_DATE, value) is not None and _parses(datetime.fromisoformat, value.removesuffix(" UTC"))


def _is_epoch(value: str) -> bool:
    return re.fullmatch(EPOCH, value) is not None


def _fits(pattern: str, value: str) -> bool:
    """Python parts digits without a mark between them at any place, Spark where its pattern has them."""
    spark = TIME_PATTERNS[pattern]
    if spark.isalpha() and len(value) != len(spark):
        return False
    return _parses(lambda text: datetime.strptime(text, pattern), value)


def _parses(read: Callable[[str], datetime], value: str) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True

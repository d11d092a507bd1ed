"""How a column writes its times, by a sample of it and, where that leaves day and month open, by all of its rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.sources.raw import column_of

ISO_DATE = re.compile(r"\d{4}-")
"""How text begins that cleaning reads without a pattern."""
EPOCH = re.compile(r"(\d{9,10}|\d{13})(\.\d+)?")
"""Seconds since 1970, as cleaning takes them from text; shorter numbers are rather a year, an hour or a day."""
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
}
"""Python's pattern to Spark's.

Python takes one digit or two everywhere, Spark only where its pattern has one letter.
"""


def needs_no_pattern(values: Sequence[str]) -> bool:
    """Whether cleaning reads all the values as they are: ISO 8601 or seconds since 1970."""
    iso = all(ISO_DATE.match(value) for value in values) and _all_parse([v.removesuffix(" UTC") for v in values], None)
    return iso or all(EPOCH.fullmatch(value) for value in values)


def time_patterns(values: Sequence[str]) -> list[str]:
    """Spark's patterns that read all the values; none where they need none or none of ours fits.

    Days as numbers, such as 20240131, need one as well: cleaning takes numbers for seconds since 1970.
    """
    if not values or needs_no_pattern(values):
        return []
    return [spark for python, spark in TIME_PATTERNS.items() if _all_parse(values, python)]


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


def _all_parse(values: Sequence[str], pattern: str | None) -> bool:
    try:
        for value in values:
            _ = datetime.fromisoformat(value) if pattern is None else datetime.strptime(value, pattern)
    except ValueError:
        return False
    return True

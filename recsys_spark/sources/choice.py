"""Which columns of a sample are the contract's: by their names, as far as cleaning could read what they hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from recsys_spark.sources.sample import ColumnSample, FileSample, is_number
from recsys_spark.sources.synonyms import match
from recsys_spark.sources.times import ODD_SHARE, is_time, needs_no_pattern, time_patterns

TIMES = {"events": "ts", "items": "launch_ts"}
READ_AS = {
    "ts": "a time with its date",
    "launch_ts": "a time with its date",
    "price": "a number from 0 up",
    "quantity": "a number",
    "dwell_seconds": "a number from 0 up",
    "available": "true or false, yes or no, 1 or 0",
}
"""Contract column to what cleaning takes for it; rows with anything else are refused."""
BOOLEANS = ("true", "t", "yes", "y", "1", "false", "f", "no", "n", "0")
"""Text that Spark casts to a boolean."""


@dataclass(frozen=True)
class Misread:
    """A column with the right name and the wrong values."""

    target: str
    column: str
    example: str


@dataclass(frozen=True)
class Choice:
    """What a table's columns are."""

    mapped: dict[str, str]
    """Contract column to source column."""
    misread: tuple[Misread, ...]
    """What would have been mapped by its name alone."""


def choose(table: str, sample: FileSample, keys: Mapping[str, str]) -> Choice:
    """Match by names and by what the sample holds; times of events, without which there is nothing, by names at last.

    Args:
        table: events, users or items.
        sample: the look at it.
        keys: see ``match``.
    """

    def reads(target: str, column: str) -> bool:
        return _misread(target, sample.column(column)) is None

    by_name = match(table, sample.names, keys=keys)
    mapped = match(table, sample.names, reads, keys)
    misread = tuple(
        Misread(target, column, _misread(target, sample.column(column)) or "")
        for target, column in by_name.items()
        if column not in mapped.values() and not reads(target, column)
    )
    if "ts" in by_name and "ts" not in mapped:
        return Choice(mapped | {"ts": by_name["ts"]}, tuple(m for m in misread if m.target != "ts"))
    return Choice(mapped, misread)


def _misread(target: str, column: ColumnSample) -> str | None:
    """The first value that cleaning could not read as the contract column; None if it reads (nearly) all."""
    values = column.values
    if target in ("ts", "launch_ts"):
        # Typed numbers are taken for seconds, unless a pattern says that they are days.
        typed = column.is_number and not column.is_text
        read = bool(values) and (typed or needs_no_pattern(values) or bool(time_patterns(values)))
        strange = (value for value in values if not is_time(value))
        return None if read or (not values and target == "launch_ts") else next(strange, next(iter(values), ""))
    if target not in READ_AS:
        return None
    odd = [v for v in values if not (_is_boolean(v, column) if target == "available" else _is_amount(v, target))]
    return odd[0] if len(odd) > ODD_SHARE * len(values) else None


def _is_boolean(value: str, column: ColumnSample) -> bool:
    """A typed number is false at 0 and true at any other."""
    return not column.is_text or value.lower() in BOOLEANS


def _is_amount(value: str, target: str) -> bool:
    """A finite number; returns have quantities below zero, which cleaning refuses row by row."""
    return is_number(value) and math.isfinite(float(value)) and (target == "quantity" or float(value) >= 0)

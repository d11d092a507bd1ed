"""The raw side of the ingested tables: the contract's columns before cleaning, with two columns about their origin."""

from __future__ import annotations

from recsys_spark.contracts.tables import table

SOURCE_FILE = "_source_file"
"""File that the row came from; null where the source has no files."""

UNPARSED = "_unparsed"
"""The text of a row that the reader could not parse; null for all others."""

DERIVED = {"events": ("event_id",), "users": (), "items": ()}
"""Contract columns that cleaning computes, so that no source brings them."""


def raw_columns(name: str) -> list[str]:
    """Columns of the raw frame of a table: what the contract has, less what cleaning computes, plus the origin.

    >>> raw_columns("users")
    ['user_id', 'attributes', 'measures', '_source_file', '_unparsed']
    """
    return [c for c in table(name).columns if c not in DERIVED[name]] + [SOURCE_FILE, UNPARSED]


ISO_DATE = r"\d{4}-"
"""How text of a time begins that is read without a pattern. Spark would read a bare time of day as today's."""
_HOUR = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])"
EPOCH = rf"(?!{_HOUR}\s*$)(\d{{9,10}}|\d{{13}})(\.\d+)?"
"""Text of seconds since 1970 from the year 1973 on, but no hour of the calendar, such as 2024013123. Milliseconds are
taken for seconds as numbers are, so that the clock tells of them; text of other lengths is rather a year or a day."""

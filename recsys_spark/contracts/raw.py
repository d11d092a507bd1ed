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

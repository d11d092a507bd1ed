"""Whether the source still has the columns that the last ingest found, as far as they are used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recsys_spark.config.source import ColumnMapping
from recsys_spark.errors import ContractError
from recsys_spark.sources.raw import SourceColumn


def require_same_columns(
    earlier: Iterable[SourceColumn], now: Iterable[SourceColumn], mappings: Mapping[str, ColumnMapping]
) -> list[str]:
    """What became of columns that nobody uses, in words.

    What the settings name is intended, so that a change in them explains itself: a column that they name now may be
    new, and one that they give another source now may be gone. A column that they name and that is not there was
    refused before.

    Args:
        earlier: the columns that the last ingest found.
        now: the columns that there are.
        mappings: the settings of each table.

    Raises:
        ContractError: a column that is used was dropped, renamed, added or has another type; the message lists all.
    """
    before = {(c.source_table, c.source_column): c for c in earlier if c.source_table in mappings}
    after = {(c.source_table, c.source_column): c for c in now}
    tables = {table for table, _ in before}  # a table that is new in the settings is compared with nothing
    gone = [c for key, c in before.items() if key not in after]
    new = [c for key, c in after.items() if key not in before and c.source_table in tables]
    faults = [_dropped(c, new) for c in gone if c.taken == "own_name" and not _given(c, mappings)]
    faults += [f"{_name(c)}: new, and would be taken as {c.source_column}" for c in new if c.taken == "own_name"]
    faults += [
        f"{_name(c)}: found {c.type}, was {before[key].type}"
        for key, c in after.items()
        if key in before and before[key].type != c.type and "unused" not in (c.taken, before[key].taken)
    ]
    if faults:
        listed = "\n  ".join(faults)
        raise ContractError(
            f"the source has other columns than at the last ingest, and nothing was written:\n  {listed}\n"
            "Mend the source; or name what is meant under columns in the settings; or take everything as it is now, "
            "this once, with --set source.drift=accept."
        )
    notes = [f"{_name(c)} is gone; nothing used it" for c in gone if c.taken == "unused"]
    return notes + [f"{_name(c)} is new; nothing uses it" for c in new if c.taken == "unused"]


def _given(column: SourceColumn, mappings: Mapping[str, ColumnMapping]) -> bool:
    """Whether the settings now say where the contract's column of that name comes from."""
    mapping = mappings[column.source_table]
    return column.source_column in mapping.columns or column.source_column in mapping.constants


def _dropped(column: SourceColumn, new: Iterable[SourceColumn]) -> str:
    candidates = [c.source_column for c in new if c.source_table == column.source_table and c.taken == "unused"]
    renamed = f"; renamed to {' or '.join(candidates)}?" if candidates else ""
    return f"{_name(column)}: gone, was {column.type}{renamed}"


def _name(column: SourceColumn) -> str:
    return f"{column.source_table}.{column.source_column}"

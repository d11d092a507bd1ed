"""A source's columns under the contract's names, as the settings map them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recsys_spark.config.source import ColumnMapping, TableSettings
from recsys_spark.contracts.raw import DERIVED, SOURCE_FILE, UNPARSED, raw_columns
from recsys_spark.errors import ContractError
from recsys_spark.kernels.event_columns import as_word
from recsys_spark.sources.raw import RawTables, SourceColumn, as_raw, column_of, items_of, users_of

REQUIRED = {"events": ("user_id", "item_id", "event_type", "ts"), "users": ("user_id",), "items": ("item_id",)}
"""Columns that a source must bring, by mapping, constant or its own name."""

TIMES = ("ts", "launch_ts")
MAPS = ("attributes", "measures")


def map_tables(tables: Mapping[str, tuple[DataFrame, TableSettings]]) -> RawTables:
    """Raw tables of a source's tables, events among them; those that it lacks are the ids of the events.

    Raises:
        ContractError: a mapping does not fit the contract or the source.
    """
    mapped = {name: map_columns(name, frame, source) for name, (frame, source) in tables.items()}
    events = mapped["events"]
    return RawTables(
        events=events,
        users=mapped["users"] if "users" in mapped else users_of(events),
        items=mapped["items"] if "items" in mapped else items_of(events),
        columns=tuple(c for name, (frame, source) in tables.items() for c in _source_columns(name, frame, source)),
    )


def map_columns(name: str, frame: DataFrame, source: TableSettings) -> DataFrame:
    """The raw frame of a table from the source's columns.

    Raises:
        ContractError: the mapping names columns that the contract or the source does not have, or leaves out a
            required one; the message lists every fault.
    """
    faults = _faults(name, frame, source)
    if faults:
        found = ", ".join(c for c in frame.columns if c not in (SOURCE_FILE, UNPARSED))
        raise ContractError(
            f"table {name} cannot be made from {source.place}:\n  "
            + "\n  ".join(faults)
            + f"\nThe source has the columns {found}. Change columns, constants, attributes or measures of {name} in "
            "the settings."
        )
    columns = {c: F.lit(v) for c, v in source.constants.items()}
    for column in _mappable(name):
        origin = _origin_of(column, frame, source)
        if origin is not None and column not in columns:
            columns[column] = _value(column, origin, frame, source)
    columns |= {"attributes": _attributes(frame, source), "measures": _measures(source)}
    origin_columns = [F.col(SOURCE_FILE), F.col(UNPARSED)]
    return as_raw(name, frame.select(*[c.alias(n) for n, c in columns.items()], *origin_columns))


def attribute_names(source: ColumnMapping) -> dict[str, str]:
    """Attribute name to source column; an entry ``name=column`` renames.

    >>> attribute_names(ColumnMapping(attributes=("age", "brand_type=brand")))
    {'age': 'age', 'brand_type': 'brand'}
    """
    return dict(_pair(entry) for entry in source.attributes)


def _source_columns(name: str, frame: DataFrame, source: ColumnMapping) -> list[SourceColumn]:
    """What the source has, and how it is taken."""
    named = _named(frame, source)
    own = {c for c in _mappable(name) if c not in source.columns and c not in source.constants} - named
    taken = {c: "named" if c in named else "own_name" if c in own else "unused" for c in frame.columns}
    return [SourceColumn(name, c, kind, taken[c]) for c, kind in frame.dtypes if c not in (SOURCE_FILE, UNPARSED)]


def _named(frame: DataFrame, source: ColumnMapping) -> set[str]:
    """Source columns that the settings name."""
    mapped = {part for origin in source.columns.values() for part in _parts(origin, frame)}
    return mapped | set(attribute_names(source).values()) | set(source.measures)


def _pair(entry: str) -> tuple[str, str]:
    name, separator, column = entry.partition("=")
    return (name, column) if separator else (entry, entry)


def _mappable(name: str) -> list[str]:
    return [c for c in raw_columns(name) if c not in (*MAPS, SOURCE_FILE, UNPARSED)]


def _origin_of(column: str, frame: DataFrame, source: ColumnMapping) -> str | None:
    """Source column(s) of a contract column: as mapped, else of the same name, else none."""
    return source.columns.get(column) or (column if column in frame.columns else None)


def _faults(name: str, frame: DataFrame, source: ColumnMapping) -> list[str]:
    known, found = _mappable(name), set(frame.columns)
    listed = f"table {name} takes {', '.join(known)}"
    faults = []
    for key in [*source.columns, *source.constants]:
        if key in DERIVED[name]:
            faults.append(f"{key}: is computed by cleaning and cannot be mapped; {listed}")
        elif key not in known:
            faults.append(f"{key}: is no column to map; {listed} (further columns go under attributes or measures)")
    faults += [f"{c}: is under both columns and constants; keep one" for c in source.columns if c in source.constants]
    if source.event_types and name != "events":
        faults.append("event_types: only events are of a kind; move it to them")
    elif source.event_types and "event_type" in source.constants:
        faults.append("event_types: translates a column, and event_type is under constants; keep one")
    wanted = {c: _parts(origin, frame) for c, origin in source.columns.items()}
    wanted |= {f"attribute {n}": [c] for n, c in attribute_names(source).items()}
    wanted |= {f"measure {c}": [c] for c in source.measures}
    for target, origins in wanted.items():
        faults += [
            f"{target}: expected the source column {o}, which is not there{_in_other_case(o, found)}"
            for o in origins
            if o not in found
        ]
    for column in sorted(set(known) - found - set(source.columns) - set(source.constants)):
        # Nobody notices a Price that is not taken because it is no price.
        if hint := _in_other_case(column, found - _named(frame, source)):
            faults.append(f"{column}: not there{hint}; map it under columns, or rename it in the source")
    for column in REQUIRED[name]:
        if column not in source.constants and _origin_of(column, frame, source) is None:
            faults.append(f"{column}: required, expected a source column of that name, a mapping or a constant")
    return faults


def _in_other_case(column: str, found: set[str]) -> str:
    near = sorted(c for c in found if c.lower() == column.lower())
    return f" (found {near[0]}, in other case)" if near else ""


def _parts(origin: str, frame: DataFrame) -> list[str]:
    return [origin] if origin in frame.columns else [part.strip() for part in origin.split(",")]


def _value(column: str, origin: str, frame: DataFrame, source: ColumnMapping) -> Column:
    if column == "category_path":
        parts = _parts(origin, frame)
        if len(parts) > 1:
            return F.array(*[column_of(p).cast("string") for p in parts])
        return _values(parts[0], frame, source.list_separator)
    if column in TIMES and source.timestamp_format:
        # Text that does not fit the pattern stays, so that the quarantine shows it.
        text = column_of(origin).cast("string")
        parsed = F.try_to_timestamp(F.trim(text), F.lit(source.timestamp_format))
        return F.coalesce(F.date_format(parsed, "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"), text)
    if column == "event_type" and source.event_types:
        return _kind(column_of(origin).cast("string"), source.event_types)
    return column_of(origin)


def _kind(text: Column, kinds: Mapping[str, str]) -> Column:
    """What the settings call the kind of an event; words that they do not name stay as they came."""
    standard = F.create_map(*[F.lit(part) for pair in kinds.items() for part in pair])
    return F.coalesce(F.try_element_at(standard, as_word(text)), text)


def _attributes(frame: DataFrame, source: ColumnMapping) -> Column:
    pairs = [(F.lit(n), _values(c, frame, source.list_separator)) for n, c in attribute_names(source).items()]
    return F.create_map(*[part for pair in pairs for part in pair]).cast("map<string,array<string>>")


def _measures(source: ColumnMapping) -> Column:
    """Numbers as text, so that one that is no number reaches cleaning as it is."""
    parts = [part for c in source.measures for part in (F.lit(c), column_of(c).cast("string"))]
    return F.create_map(*parts).cast("map<string,string>")


def _values(column: str, frame: DataFrame, separator: str | None) -> Column:
    kind = frame.schema[column].dataType
    if isinstance(kind, T.ArrayType):
        return column_of(column).cast("array<string>")
    text = column_of(column).cast("string")
    return F.split(text, re.escape(separator)) if separator and isinstance(kind, T.StringType) else F.array(text)

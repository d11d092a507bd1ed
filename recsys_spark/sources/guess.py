"""A first settings file from a look at somebody's files, with each guess explained in a comment."""

from __future__ import annotations

import json
from collections.abc import Callable

from pyspark.sql import SparkSession

from recsys_spark.errors import SourceError
from recsys_spark.sources.sample import ColumnSample, FileSample, look, time_pattern
from recsys_spark.sources.synonyms import category_levels, match

TIMES = {"events": "ts", "items": "launch_ts"}
SEPARATORS = ("|", ";")


def guess_settings(
    spark: SparkSession, events: str, users: str | None = None, items: str | None = None, lake: str = "lake"
) -> str:
    """The text of a YAML settings file for the files source.

    Args:
        spark: the session.
        events: path of the events; users and items likewise, where there are any.
        users: see events.
        items: see events.
        lake: where the tables will be.

    Raises:
        SourceError: a file cannot be read, or has no column that looks like a required one.
    """
    lines = [
        "# Written by recsys init from a look at the first rows of each file. Read the guesses, mend what is wrong.",
        "lake:",
        f"  path: {_quoted(lake)}",
        "",
        "source:",
        "  kind: files",
    ]
    for name, path in (("events", events), ("users", users), ("items", items)):
        if path is not None:
            lines += [f"  {name}:", *("    " + line for line in _table(name, look(spark, name, path)))]
        elif name != "events":
            lines.append(f"  # {name}: no file was given, so {name} are the ids of the events, without attributes.")
    return "\n".join(lines) + "\n"


def _table(name: str, sample: FileSample) -> list[str]:
    mapped = match(name, sample.names)
    _require(name, mapped, sample)
    lines = [f"path: {_quoted(sample.path)}", f"format: {sample.format}"]
    levels = _levels(sample, mapped) if name == "items" else []
    lines += _column_lines(mapped, levels)
    if name == "events" and "event_type" not in mapped:
        lines += _event_type(mapped)
    lines += _time(sample, mapped.get(TIMES.get(name, "")))
    if name != "events":
        rest = [c for c in sample.columns if c.name not in (*mapped.values(), *levels)]
        lines += _described(rest)
    return lines


def _require(name: str, mapped: dict[str, str], sample: FileSample) -> None:
    required = {"events": ("user_id", "item_id", "ts"), "users": ("user_id",), "items": ("item_id",)}[name]
    missing = [c for c in required if c not in mapped]
    if missing:
        raise SourceError(
            f"table {name}: {sample.path} has no column that looks like {' or '.join(missing)}; found "
            f"{', '.join(sample.names)}. Copy conf/files.example.yaml and map it there under source.{name}.columns."
        )


def _levels(sample: FileSample, mapped: dict[str, str]) -> list[str]:
    """Levels of the category path; a broader one has fewer values."""
    levels = [c for c in category_levels(sample.names) if c not in mapped.values()]
    return sorted(levels, key=lambda c: sample.column(c).distinct)


def _column_lines(mapped: dict[str, str], levels: list[str]) -> list[str]:
    renamed = {target: column for target, column in mapped.items() if target != column}
    lines = [f"  {target}: {_quoted(column)}  # by its name" for target, column in renamed.items()]
    if levels and levels != ["category_path"]:
        path = _quoted(",".join(levels))
        lines.append(f"  category_path: {path}  # by the number of their values; check the order")
    return ["columns:", *lines] if lines else []


def _event_type(mapped: dict[str, str]) -> list[str]:
    kind = "purchase" if {"quantity", "price"} & set(mapped) else "view"
    why = "rows have a quantity or price" if kind == "purchase" else "rows have neither quantity nor price"
    return ["constants:", f"  event_type: {kind}  # no column tells the kind of event, and {why}"]


def _time(sample: FileSample, column: str | None) -> list[str]:
    pattern = time_pattern(sample.column(column)) if column else None
    if column is None or pattern is None:
        return []
    example = sample.column(column).values[0]
    return [f"timestamp_format: {_quoted(pattern)}  # {column} reads like {_quoted(example)}; check day and month"]


def _described(columns: list[ColumnSample]) -> list[str]:
    """Attributes, measures and what is left out, each with its reason."""
    measures = [c for c in columns if c.is_measure]
    attributes = [c for c in columns if c.is_category and (c.is_scalar or c.is_list) and not c.is_measure]
    left = [c for c in columns if c not in measures and c not in attributes]
    lines = _listed("attributes", attributes, lambda c: f"{c.distinct} different values in the sample")
    lines += _listed("measures", measures, lambda c: f"numbers, {c.distinct} different in the sample")
    lines += [f"# left out: {c.name} ({_why_left(c)})" for c in left]
    return lines + _separator(attributes)


def _listed(title: str, columns: list[ColumnSample], why: Callable[[ColumnSample], str]) -> list[str]:
    return [f"{title}:", *(f"  - {_quoted(c.name)}  # {why(c)}" for c in columns)] if columns else []


def _why_left(column: ColumnSample) -> str:
    if not column.values:
        return "it is empty in the sample"
    return "nearly every row has a value of its own" if column.is_scalar else "it is nested"


def _separator(attributes: list[ColumnSample]) -> list[str]:
    for separator in SEPARATORS:
        texts = [c for c in attributes if not c.is_list]
        split = [c.name for c in texts if sum(separator in v for v in c.values) > len(c.values) / 4]
        if split:
            return [f"list_separator: {_quoted(separator)}  # {', '.join(split)} hold several values in one text"]
    return []


def _quoted(text: str) -> str:
    """The text as a YAML scalar; JSON's quotes are YAML's."""
    return json.dumps(text, ensure_ascii=False)

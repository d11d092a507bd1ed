"""A first settings file from a look at somebody's files, with each guess explained in a comment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from pyspark.sql import SparkSession

from recsys_spark.errors import SourceError
from recsys_spark.sources.choice import READ_AS, TIMES, Choice, Misread, choose
from recsys_spark.sources.formats import readable
from recsys_spark.sources.kinds import kinds_of
from recsys_spark.sources.sample import ColumnSample, FileSample, look
from recsys_spark.sources.synonyms import category_levels, shared_keys
from recsys_spark.sources.times import best_patterns, needs_no_pattern, time_patterns

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
        "# Written by recsys init from a look at the files. Read the guesses, mend what is wrong.",
        "lake:",
        f"  path: {_quoted(lake)}",
        "",
        "source:",
        "  kind: files",
    ]
    paths = {"events": events, "users": users, "items": items}
    samples = {name: look(spark, name, path) for name, path in paths.items() if path is not None}
    keys = shared_keys({name: sample.names for name, sample in samples.items()})
    for name in paths:
        if name in samples:
            lines += [f"  {name}:", *("    " + line for line in _table(name, samples[name], keys))]
        else:
            lines.append(f"  # {name}: no file was given, so {name} are the ids of the events, without attributes.")
    return "\n".join(lines) + "\n"


def _table(name: str, sample: FileSample, keys: Mapping[str, str]) -> list[str]:
    choice = choose(name, sample, keys)
    _require(name, choice.mapped, sample)
    lines = [f"path: {_quoted(sample.path)}", f"format: {sample.format}"]
    levels = _levels(sample, choice.mapped) if name == "items" else []
    lines += _column_lines(choice.mapped, levels) + _constants(name, choice)
    with readable(f"table {name}: {sample.path}"):
        lines += _event_types(sample, choice.mapped.get("event_type"))
        lines += _time(sample, choice.mapped.get(TIMES.get(name, "")))
    lines += [_misread(m) for m in choice.misread]
    if name != "events":
        taken = (*choice.mapped.values(), *levels, *(m.column for m in choice.misread))
        lines += _described([c for c in sample.columns if c.name not in taken])
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


def _constants(name: str, choice: Choice) -> list[str]:
    """The kind of events that no column tells; and nothing, where a column would be taken by its own name."""
    lines = [
        f'  {m.target}: ""  # so that {m.column} is not taken for it by its name'
        for m in choice.misread
        if m.target not in choice.mapped and m.column.lower() == m.target
    ]
    if name == "events" and "event_type" not in choice.mapped:
        told = {*choice.mapped, *(m.target for m in choice.misread)}
        kind = "purchase" if {"quantity", "price"} & told else "view"
        why = "rows have a quantity or price" if kind == "purchase" else "rows have neither quantity nor price"
        lines.insert(0, f"  event_type: {kind}  # no column tells the kind of event, and {why}")
    return ["constants:", *lines] if lines else []


def _event_types(sample: FileSample, column: str | None) -> list[str]:
    if column is None:
        return []
    kinds = kinds_of(sample.frame, column)
    lines = [f"  {_quoted(word)}: {kind}" for word, kind in kinds.known.items()]
    title = [f"event_types:  # what {column} says, and the kind of event that it counts as"] if lines else []
    for words, fate in ((kinds.others, "count little (profiles.default_event_weight)"), (kinds.refused, "are refused")):
        if words:
            listed = ", ".join(_quoted(w) for w in words)
            lines.append(f"# {column} also says {listed}: such events {fate}, unless event_types says what they are")
    return title + lines


def _time(sample: FileSample, column: str | None) -> list[str]:
    values = sample.column(column).values if column else ()
    if column is None or not values or needs_no_pattern(values):
        return []
    reads = f"{column} reads like {_quoted(values[0])}"
    patterns = best_patterns(sample.frame, column, time_patterns(values))
    if len(patterns) == 1:
        return [f"timestamp_format: {_quoted(patterns[0])}  # {reads}; check day and month"]
    if not patterns:
        return [f"# timestamp_format: {reads}, which no pattern known here fits; set Spark's pattern for it"]
    either = " or ".join(_quoted(p) for p in patterns)
    return [f"# timestamp_format: {reads}, and as many rows fit {either}; set the one that is meant"]


def _misread(misread: Misread) -> str:
    reads = f"it reads like {_quoted(misread.example)}" if misread.example else "it is empty in the sample"
    return f"# left out: {misread.column} ({reads}; {misread.target} is {READ_AS[misread.target]})"


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

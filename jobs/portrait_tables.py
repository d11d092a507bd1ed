"""Portraits as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from recsys_spark.lake.portrait import ItemPortrait, UserPortrait

EVIDENCE_SHOWN = 3
SHARES_SHOWN = 5


def user_parts(portrait: UserPortrait) -> list[Table]:
    """A user's tables, in the order of reading."""
    about = _facts(f"user {portrait.user_id}", {**_values(portrait.attributes), **portrait.measures})
    habits = _facts("habits", user_habits(portrait.profile))
    history = _grid("latest events", ("ts", "event_type", "item_id", "title", "quantity", "price"), portrait.history)
    return [about, habits, history, *[_shelf(name, rows) for name, rows in portrait.lists.items()]]


def item_parts(portrait: ItemPortrait) -> list[Table]:
    """An item's tables, in the order of reading."""
    item = portrait.item
    plain = ("title", "brand", "price", "launch_ts", "available", "description")
    about = {name: item[name] for name in plain} | {"category": " > ".join(item["category_path"])}
    return [
        _facts(f"item {portrait.item_id}", {**about, **_values(item["attributes"]), **item["measures"]}),
        _facts("behaviour", portrait.vector),
        _grid("on lists", ("shelf", "n_users", "best_rank"), portrait.shelves),
        _grid("audience", ("rank", "user_id", "score", "route"), portrait.audience),
    ]


def user_habits(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a profile that a person reads: state, counts, and the largest shares."""
    counts = ("state", "n_events", "n_items", "n_purchases", "n_sessions", "recency_days", "spend", "dwell_seconds")
    shares = {"categories": "category_shares", "brands": "brand_shares", "platforms": "platform_shares"}
    return (
        {name: profile[name] for name in counts}
        | {title: largest(profile[name], SHARES_SHOWN) for title, name in shares.items()}
        | {"search terms": largest(profile["query_terms"], SHARES_SHOWN)}
        | {"price, log(1 + x)": _spread(profile["price_log_mean"], profile["price_log_std"])}
    )


def largest(weights: Mapping[str, float], count: int) -> str:
    """The entries with the largest weights; ties in the order of names.

    >>> largest({"b": 0.25, "a": 0.25, "c": 0.5}, 2)
    'c 0.50, a 0.25'
    """
    top = sorted(weights.items(), key=lambda entry: (-entry[1], entry[0]))[:count]
    return ", ".join(f"{name} {weight:.2f}" for name, weight in top)


def _shelf(name: str, rows: Iterable[Mapping[str, Any]]) -> Table:
    shown = [{**row, "evidence": largest(row["evidence"], EVIDENCE_SHOWN)} for row in rows]
    return _grid(f"shelf {name}", ("rank", "item_id", "title", "score", "route", "reason", "evidence"), shown)


def _facts(title: str, facts: Mapping[str, Any]) -> Table:
    table = Table(title=_plain(title), title_justify="left", title_style="bold", show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in facts.items():
        table.add_row(_plain(name), _cell(value))
    return table


def _grid(title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(*columns, title=_plain(title), title_justify="left", title_style="bold")
    for row in rows:
        table.add_row(*[_cell(row[name]) for name in columns])
    return table


def _cell(value: Any) -> Text:
    if value is None or value == "":
        return Text("-")
    return _plain(f"{value:.4g}" if isinstance(value, float) else str(value))


def _plain(text: str) -> Text:
    """Text, so that brackets in titles are no markup; what would steer the terminal shows as a mark."""
    return Text("".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text))


def _values(attributes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {name: ", ".join(values) for name, values in sorted(attributes.items())}


def _spread(mean: float | None, deviation: float | None) -> str | None:
    return None if mean is None else f"{mean:.2f} ± {deviation or 0.0:.2f}"

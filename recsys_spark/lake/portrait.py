"""Everything a release says of one user or one item, small enough to print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from recsys_spark.errors import NotFoundError

Reader = Callable[[str], DataFrame]
"""Gives a table of the release that is looked at, by name."""


@dataclass(frozen=True)
class UserPortrait:
    """One user: rows of the release's tables as dictionaries by column."""

    user_id: str
    attributes: Mapping[str, Sequence[str]]
    measures: Mapping[str, float]
    profile: Mapping[str, Any]
    """The user's row of user_profiles."""
    history: Sequence[Mapping[str, Any]]
    """Latest events, newest first, with the items' titles."""
    lists: Mapping[str, Sequence[Mapping[str, Any]]]
    """Rows of recommendations by shelf, best first, with the items' titles."""


@dataclass(frozen=True)
class ItemPortrait:
    """One item: rows of the release's tables as dictionaries by column."""

    item_id: str
    item: Mapping[str, Any]
    """The item's row of items."""
    vector: Mapping[str, Any]
    """Counts and popularity of item_vectors."""
    shelves: Sequence[Mapping[str, Any]]
    """On how many users' lists the item stands, by shelf."""
    audience: Sequence[Mapping[str, Any]]
    """The users to show it to, where it is new, best first."""


def user_portrait(read: Reader, user_id: str, history: int = 10) -> UserPortrait:
    """What the release knows of a user and recommends.

    Args:
        read: gives the release's table of a name.
        user_id: external id.
        history: how many of the latest events to show.

    Raises:
        NotFoundError: the release's users do not hold that id.
    """
    user = _only(read, "users", "user_id", user_id)
    titles = read("items").select("item_id", "title", "brand")
    events = read("events").where(F.col("user_id") == user_id)
    latest = events.orderBy(F.desc("ts"), "event_id").limit(history).join(titles, "item_id", how="left")
    lists = read("recommendations").where(F.col("user_id") == user_id).join(titles, "item_id", how="left")
    return UserPortrait(
        user_id=user_id,
        attributes=user["attributes"],
        measures=user["measures"],
        profile=_only(read, "user_profiles", "user_id", user_id),
        history=_rows(latest.orderBy(F.desc("ts"), "event_id")),
        lists=_by_shelf(_rows(lists.orderBy("shelf", "rank"))),
    )


def item_portrait(read: Reader, item_id: str, audience: int = 10) -> ItemPortrait:
    """What the release knows of an item, and whom it is shown to.

    Raises:
        NotFoundError: the release's items do not hold that id.
    """
    item = _only(read, "items", "item_id", item_id)
    placed = read("recommendations").where(F.col("item_id") == item_id)
    counts = placed.groupBy("shelf").agg(F.count("*").alias("n_users"), F.min("rank").alias("best_rank"))
    reached = read("item_audiences").where(F.col("item_id") == item_id)
    vector = _only(read, "item_vectors", "item_id", item_id, "n_events", "n_users", "popularity")
    return ItemPortrait(
        item_id=item_id,
        item=item,
        vector=vector,
        shelves=_rows(counts.orderBy("shelf")),
        audience=_rows(reached.orderBy("rank").limit(audience)),
    )


def sample_users(read: Reader, count: int) -> list[str]:
    """A few user ids to look at: the first of each state, then the second of each, in the order of ids."""
    states = ("cold", "warming", "warm", "inactive")
    profiles = read("user_profiles").select("state", "user_id")
    by_state = [
        [row["user_id"] for row in profiles.where(F.col("state") == state).orderBy("user_id").take(count)]
        for state in states
    ]
    turns = [ids[turn] for turn in range(count) for ids in by_state if turn < len(ids)]
    return turns[:count]


def _only(read: Reader, name: str, key: str, value: str, *columns: str) -> dict[str, Any]:
    frame = read(name).where(F.col(key) == value)
    row = _printable(frame.select(*columns) if columns else frame).first()
    if row is None:
        raise NotFoundError(
            f"{key} {value!r} is not in the table {name} of this release; "
            "ids are compared as text, exactly as the source wrote them"
        )
    return row.asDict()


def _rows(frame: DataFrame) -> list[dict[str, Any]]:
    found: list[Row] = _printable(frame).collect()
    return [row.asDict() for row in found]


def _printable(frame: DataFrame) -> DataFrame:
    """Times as text in the session's UTC; Python would show them in the machine's own zone."""
    times = {name for name, kind in frame.dtypes if kind == "timestamp"}
    return frame.select(*[F.col(name).cast("string").alias(name) if name in times else name for name in frame.columns])


def _by_shelf(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    shelves: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        shelves.setdefault(row["shelf"], []).append(row)
    return shelves

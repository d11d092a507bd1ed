"""Columns that several rooms derive from events in the same way."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column
from pyspark.sql import functions as F

SECONDS_PER_DAY = 86_400.0


def age_days(ts: str | Column, as_of: datetime) -> Column:
    """Days from ``ts`` to ``as_of``; 0 for what lies after it."""
    seconds = (
        F.lit(as_of.timestamp()) - F.col(ts).cast("double")
        if isinstance(ts, str)
        else (F.lit(as_of.timestamp()) - ts.cast("double"))
    )
    return F.greatest(seconds / SECONDS_PER_DAY, F.lit(0.0))


def decay(ts: str | Column, as_of: datetime, half_life_days: float) -> Column:
    """0.5 ** (age / half-life): 1 at the as-of time, 0.5 one half-life before it."""
    return F.pow(F.lit(0.5), age_days(ts, as_of) / half_life_days)


def item_group() -> Column:
    """established: the item has events; new: it has none. From the column n_events."""
    return F.when(F.col("n_events") > 0, "established").otherwise("new").alias("item_group")


def session_key() -> Column:
    """What tells one user's sessions apart: the session's id, else the day (UTC)."""
    return F.coalesce(F.col("session_id"), F.to_date("ts").cast("string"))


def session_number() -> Column:
    """64 bits of ``session_key``, to tell sessions apart by where names would be carried along for nothing else.

    Two sessions of one user who has 10,000 are taken for one in 3 of 10¹² such users.
    """
    return F.xxhash64(session_key())


def as_word(text: Column) -> Column:
    """The kind of an event as settings name it and as cleaning compares it: lower case, without space around it."""
    return F.lower(F.regexp_replace(text, r"^\s+|\s+$", ""))

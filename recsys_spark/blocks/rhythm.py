"""The rhythm of a user's purchases: what the repeat model knows of a user and an item at one moment.

Only counts, times and rates; none of them names the user or the item. Users are dealt into buckets, and NumPy describes
a bucket at once: a user's purchases lie in one bucket, what others do with the item is joined afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.event_columns import session_key

DAY = 86_400.0
RECENT_DAYS = 30
HALF_LIVES = (7, 30, 90)
PURCHASES_PER_TASK = 1_000_000
OF_USERS = (
    *("n", "last", "first", *(f"decayed_{days}" for days in HALF_LIVES), "gap", "overdue", "rate"),
    *("baskets", "user_last", "user_gap", "user_recent"),
)
"""What the user's own purchases say; days unless they are counts, rates or sums."""
OF_ITEMS = ("item_users", "item_repeat", "item_recent")
"""What everyone's purchases say of the item."""
FEATURES = OF_USERS + OF_ITEMS
DESCRIBED = ", ".join(
    (
        "cut double, user_id string, item_id string",
        *(f"{name} float" for name in OF_USERS),
        "n_recent int, active boolean, label boolean",
    )
)


def purchases(events: DataFrame) -> DataFrame:
    """user_id, item_id, session, ts: purchases of items, in seconds since 1970."""
    bought = events.where((F.col("event_type") == "purchase") & F.col("item_id").isNotNull())
    return bought.select("user_id", "item_id", session_key().alias("session"), F.col("ts").cast("double").alias("ts"))


def described(bought: DataFrame, cuts: Sequence[float], horizon_days: float, n_purchases: int) -> DataFrame:
    """Each pair bought before a cut, as it looks at that cut.

    Args:
        bought: from :func:`purchases`.
        cuts: moments, in seconds since 1970.
        horizon_days: length of the window after a cut that gives the labels.
        n_purchases: rows of ``bought``, which decide how many buckets there are.

    Returns:
        cut, user_id, item_id, FEATURES (float), active (the user bought anything in the window), label (this item).
    """
    buckets = max(-(-n_purchases // PURCHASES_PER_TASK), bought.sparkSession.sparkContext.defaultParallelism)
    bucket = F.pmod(F.xxhash64("user_id"), F.lit(buckets))
    work = partial(_describe, cuts=tuple(cuts), horizon_days=horizon_days)
    pairs = bought.groupBy(bucket.alias("bucket")).applyInArrow(work, DESCRIBED)
    items = pairs.groupBy("cut", "item_id").agg(
        F.count("*").cast("float").alias("item_users"),
        (F.sum("n") / F.count("*")).cast("float").alias("item_repeat"),
        (F.sum("n_recent") / F.sum("n")).cast("float").alias("item_recent"),
    )
    joined = pairs.join(items, ["cut", "item_id"], "inner")
    return joined.select("cut", "user_id", "item_id", *FEATURES, "active", "label")


def _describe(bought: pa.Table, cuts: tuple[float, ...], horizon_days: float) -> pa.Table:
    """One bucket of users."""
    # A basket counts once, however many lines it has of an item.
    baskets = bought.group_by(["user_id", "item_id", "session"]).aggregate([("ts", "min")])
    users, items = (baskets[name].combine_chunks().dictionary_encode() for name in ("user_id", "item_id"))
    user, item = users.indices.to_numpy().astype(np.int64), items.indices.to_numpy().astype(np.int64)
    session = baskets["session"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    ts = baskets["ts_min"].to_numpy()
    order = np.lexsort((session, ts, item, user))
    user, item, session, ts = user[order], item[order], session[order], ts[order]
    parts = []
    for cut in cuts:
        mine, theirs, columns = _at(cut, cut + horizon_days * DAY, user, item, session, ts)
        ids = [users.dictionary.take(pa.array(mine)), items.dictionary.take(pa.array(theirs))]
        named = {"cut": pa.array(np.full(len(mine), cut)), "user_id": ids[0], "item_id": ids[1]}
        parts.append(pa.table(named | {name: pa.array(values) for name, values in columns.items()}))
    return pa.concat_tables(parts)


def _at(
    cut: float, end: float, user: np.ndarray, item: np.ndarray, session: np.ndarray, ts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """User, item and features of the pairs with a basket before the cut; baskets come sorted by user, item and time."""
    seen = ts < cut
    age = (cut - ts[seen]) / DAY
    key = _numbered(user, item)
    first, pair = _groups(key[seen])
    mine, theirs = user[seen][first], item[seen][first]
    n = np.bincount(pair, minlength=len(first))
    oldest = age[first]
    newest = age[np.r_[first[1:], len(age)] - 1] if len(first) else oldest
    gap = (oldest - newest) / np.maximum(n - 1, 1)
    of_user = _visits(user[seen], session[seen], age)
    found = {
        "n": n,
        "last": newest,
        "first": oldest,
        **{f"decayed_{days}": np.bincount(pair, 0.5 ** (age / days), len(first)) for days in HALF_LIVES},
        "gap": gap,
        # Time since the last purchase in usual gaps; -1 for what was bought once.
        "overdue": np.where(n > 1, newest / np.maximum(gap, 0.5), -1.0),
        "rate": n / of_user["baskets"][mine],
        **{name: values[mine] for name, values in of_user.items()},
    }
    later = ~seen & (ts < end)
    columns = {name: values.astype(np.float32) for name, values in found.items()}
    columns["n_recent"] = np.bincount(pair, age < RECENT_DAYS, len(first)).astype(np.int32)
    columns["active"] = np.isin(mine, user[later])
    columns["label"] = np.isin(key[seen][first], key[later])
    return mine, theirs, columns


def _visits(user: np.ndarray, session: np.ndarray, age: np.ndarray) -> dict[str, np.ndarray]:
    """Features of each user from the distinct sessions, each as old as its newest basket: [users] each."""
    order = np.lexsort((age, session, user))
    first, _ = _groups(_numbered(user, session)[order])
    user, age = user[order][first], age[order][first]
    size = int(user.max(initial=-1)) + 1
    baskets = np.bincount(user, minlength=size)
    newest, oldest = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(newest, user, age)
    np.maximum.at(oldest, user, age)
    return {
        "baskets": baskets,
        "user_last": newest,
        "user_gap": (oldest - newest) / np.maximum(baskets - 1, 1),
        "user_recent": np.bincount(user, age < RECENT_DAYS, size),
    }


def _numbered(user: np.ndarray, other: np.ndarray) -> np.ndarray:
    """One number for each pair of numbers."""
    return user * (int(other.max(initial=0)) + 1) + other


def _groups(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of ordered keys: where each group begins [groups], and the group of each row [rows]."""
    change = np.r_[True, key[1:] != key[:-1]] if len(key) else np.empty(0, bool)
    return np.flatnonzero(change), np.cumsum(change) - 1

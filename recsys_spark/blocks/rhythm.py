"""The rhythm of a user's purchases: what the repeat model knows of a user and an item at one moment.

Only counts, times and rates; none of them names the user or the item. Users are dealt into buckets, and NumPy describes
a bucket at once: a user's purchases lie in one bucket. What others do with the item is counted apart, for the caller to
join, so that it can be kept and some users described without the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    """Each pair bought before a cut, as it looks at that cut, and what the user bought after it.

    A row hangs on the purchases of its user alone.

    Args:
        bought: from :func:`purchases`.
        cuts: moments, in seconds since 1970.
        horizon_days: length of the window after a cut that gives the labels.
        n_purchases: rows of ``bought``, which decide how many buckets there are.

    Returns:
        cut, user_id, item_id, OF_USERS (float), n_recent (purchases of the pair in the last RECENT_DAYS), active (the
        user bought anything in the window), label (this item).
    """
    return _by_bucket(bought, partial(_at_cuts, cuts=tuple(cuts), horizon_days=horizon_days), n_purchases)


def described_now(bought: DataFrame, now: float, n_purchases: int) -> DataFrame:
    """Each pair as it looks now: at ``now``, or a second after the user's latest purchase if that is later.

    A row hangs on ``now`` and the purchases of its user alone, so some users are described as among all.

    Args:
        bought: from :func:`purchases`.
        now: in seconds since 1970.
        n_purchases: rows of ``bought``, which decide how many buckets there are.

    Returns:
        cut (the user's own now), user_id, item_id, OF_USERS (float), n_recent, active and label (both false).
    """
    return _by_bucket(bought, partial(_at_now, now=now), n_purchases)


def item_rhythm(pairs: DataFrame) -> DataFrame:
    """What everyone's purchases say of each item at each cut, from pairs that share their cuts.

    Returns:
        cut, item_id, item_users (who bought it), item_repeat (purchases of each of them), item_recent (share of the
        purchases in the last RECENT_DAYS), all float.
    """
    return pairs.groupBy("cut", "item_id").agg(
        F.count("*").cast("float").alias("item_users"),
        (F.sum("n") / F.count("*")).cast("float").alias("item_repeat"),
        (F.sum("n_recent") / F.sum("n")).cast("float").alias("item_recent"),
    )


def _by_bucket(bought: DataFrame, work: Callable[[pa.Table], pa.Table], n_purchases: int) -> DataFrame:
    buckets = max(-(-n_purchases // PURCHASES_PER_TASK), bought.sparkSession.sparkContext.defaultParallelism)
    bucket = F.pmod(F.xxhash64("user_id"), F.lit(buckets))
    return bought.groupBy(bucket.alias("bucket")).applyInArrow(work, DESCRIBED)


@dataclass(frozen=True)
class _Baskets:
    """Baskets of a bucket of users, one row for each item in them, ascending by user, item and time.

    Attributes:
        users: ids, which ``user`` [rows] points into.
        items: ids, which ``item`` [rows] points into.
        session: [rows].
        ts: [rows], the first line of the item in the basket.
        latest: [users], the last line of the user's last basket.
    """

    users: pa.StringArray
    items: pa.StringArray
    user: np.ndarray
    item: np.ndarray
    session: np.ndarray
    ts: np.ndarray
    latest: np.ndarray

    @classmethod
    def of(cls, bought: pa.Table) -> _Baskets:
        # A basket counts once, however many lines it has of an item.
        baskets = bought.group_by(["user_id", "item_id", "session"]).aggregate([("ts", "min"), ("ts", "max")])
        users, items = (baskets[name].combine_chunks().dictionary_encode() for name in ("user_id", "item_id"))
        user, item = users.indices.to_numpy().astype(np.int64), items.indices.to_numpy().astype(np.int64)
        session = baskets["session"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
        ts = baskets["ts_min"].to_numpy()
        latest = np.full(len(users.dictionary), -np.inf)
        np.maximum.at(latest, user, baskets["ts_max"].to_numpy())
        order = np.lexsort((session, ts, item, user))
        return cls(users.dictionary, items.dictionary, user[order], item[order], session[order], ts[order], latest)


def _at_cuts(bought: pa.Table, cuts: tuple[float, ...], horizon_days: float) -> pa.Table:
    """One bucket of users at each cut."""
    baskets = _Baskets.of(bought)
    n_users = len(baskets.users)
    return pa.concat_tables([_pairs(baskets, np.full(n_users, cut), horizon_days * DAY) for cut in cuts])


def _at_now(bought: pa.Table, now: float) -> pa.Table:
    """One bucket of users, each at the own now."""
    baskets = _Baskets.of(bought)
    return _pairs(baskets, np.maximum(now, baskets.latest + 1.0), 0.0)


def _pairs(baskets: _Baskets, cuts: np.ndarray, horizon: float) -> pa.Table:
    """DESCRIBED of the pairs with a basket before the user's cut [users]; ``horizon`` in seconds."""
    user, ts = baskets.user, baskets.ts
    cut = cuts[user]
    seen = ts < cut
    age = (cut[seen] - ts[seen]) / DAY
    key = _numbered(user, baskets.item)
    first, pair = _groups(key[seen])
    mine, theirs = user[seen][first], baskets.item[seen][first]
    n = np.bincount(pair, minlength=len(first))
    oldest = age[first]
    newest = age[np.r_[first[1:], len(age)] - 1] if len(first) else oldest
    gap = (oldest - newest) / np.maximum(n - 1, 1)
    of_user = _visits(user[seen], baskets.session[seen], age)
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
    later = ~seen & (ts < cut + horizon)
    columns = {
        "cut": cuts[mine],
        "user_id": baskets.users.take(pa.array(mine)),
        "item_id": baskets.items.take(pa.array(theirs)),
        **{name: values.astype(np.float32) for name, values in found.items()},
        "n_recent": np.bincount(pair, age < RECENT_DAYS, len(first)).astype(np.int32),
        "active": np.isin(mine, user[later]),
        "label": np.isin(key[seen][first], key[later]),
    }
    return pa.table(columns)


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

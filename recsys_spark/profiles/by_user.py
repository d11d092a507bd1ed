"""The figures of each user, from rows of sessions, words and items met that come in the order of users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_spark.kernels.arrow import ranked
from recsys_spark.kernels.bins import rounded, significant_values

FIELDS = (
    "user_id string, n_events bigint, n_purchases bigint, n_sessions bigint, last_ts timestamp, spend double, "
    "dwell_seconds double, n_items bigint, price_log_mean double, price_log_std double, "
    "platform_shares map<string,double>, category_shares map<string,double>, brand_shares map<string,double>, "
    "query_terms map<string,double>"
)
TOP_SHARES = 20
TOP_TERMS = 50
ROWS_AT_ONCE = 100_000
"""NumPy is fast on many rows. So many are in memory at once, and those of one more user: of sessions, words searched
for and items met, not of events."""


def summed_by_user(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of sessions, of words and of items met, sorted by user_id, as one row of FIELDS per user.

    A row holds what its kind has, and null in the columns of the others: n_events is known of sessions alone, term of
    words and strength of items met.
    """
    filled = (batch for batch in batches if batch.num_rows)
    for rows in _whole_users(filled, ROWS_AT_ONCE):
        yield _summed(rows)


def _whole_users(batches: Iterable[pa.RecordBatch], least: int) -> Iterator[pa.Table]:
    """The batches joined to tables of ``least`` rows or more, except for the last; no user is in two tables."""
    held: list[pa.RecordBatch] = []
    n_held = 0
    for batch in batches:
        held.append(batch)
        n_held += batch.num_rows
        last = batch["user_id"][-1]
        if n_held < least or last == held[0]["user_id"][0]:
            continue
        rows = pa.Table.from_batches(held)
        begun = pc.index(rows["user_id"], last).as_py()
        yield rows.slice(0, begun)
        held, n_held = rows.slice(begun).to_batches(), n_held - begun
    if n_held:
        yield pa.Table.from_batches(held)


def _summed(rows: pa.Table) -> pa.RecordBatch:
    """Rows of whole users, in the order of users, as one row of FIELDS each."""
    users = rows["user_id"].combine_chunks().dictionary_encode()
    # 64 bits, since users are multiplied by what they did: 50,000 users of a session each are more than 32 hold.
    placed, n_users = rows.append_column("user", users.indices.cast(pa.int64())), len(users.dictionary)
    sessions, words, met = (_where_known(placed, figure) for figure in ("n_events", "recency", "strength"))
    columns = {
        "user_id": users.dictionary,
        **_activity(sessions, n_users),
        **_prices(met, n_users),
        "platform_shares": _map(*_heaviest(sessions, "platform", "n_events", TOP_SHARES), n_users, shares=True),
        "category_shares": _map(*_heaviest(met, "category", "strength", TOP_SHARES), n_users, shares=True),
        "brand_shares": _map(*_heaviest(met, "brand", "strength", TOP_SHARES), n_users, shares=True),
        "query_terms": _map(*_heaviest(words, "term", "recency", TOP_TERMS), n_users, shares=False),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _where_known(rows: pa.Table, name: str) -> pa.Table:
    return rows.filter(pc.is_valid(rows[name])).combine_chunks()


def _activity(sessions: pa.Table, n_users: int) -> dict[str, pa.Array]:
    """What sessions add up to; null for users [n_users] who have none."""
    user = sessions["user"].to_numpy()

    def total(name: str) -> np.ndarray:
        return np.bincount(user, sessions[name].to_numpy(), n_users)

    session = sessions["session"].combine_chunks().dictionary_encode()
    n_different = max(len(session.dictionary), 1)
    # A session with events on two platforms has two rows.
    owner = np.unique(user * n_different + session.indices.to_numpy()) // n_different
    last = np.full(n_users, np.iinfo(np.int64).min)
    np.maximum.at(last, user, sessions["last_ts"].cast(pa.int64()).to_numpy())
    figures = {
        "n_events": total("n_events").astype(np.int64),
        "n_purchases": total("n_purchases").astype(np.int64),
        "n_sessions": np.bincount(owner, minlength=n_users),
        "last_ts": last,
        "spend": significant_values(total("spend"), 9),
        "dwell_seconds": significant_values(total("dwell_seconds"), 9),
    }
    without = np.bincount(user, minlength=n_users) == 0
    found = {name: pa.array(values, mask=without) for name, values in figures.items()}
    return found | {"last_ts": found["last_ts"].cast(sessions.schema.field("last_ts").type)}


def _prices(met: pa.Table, n_users: int) -> dict[str, pa.Array]:
    """Items met, and weighted mean and standard deviation of log(1 + price) over those whose price is known."""
    priced = _where_known(met, "log_price")
    user, weight, price = (priced[name].to_numpy() for name in ("user", "strength", "log_price"))
    w, wx, wxx = (np.bincount(user, weight * price**power, n_users) for power in (0, 1, 2))
    without = ~(w > 0)
    w[without] = 1.0
    mean = wx / w
    std = np.sqrt(np.maximum(wxx / w - mean * mean, 0.0))
    return {
        "n_items": pa.array(np.bincount(met["user"].to_numpy(), minlength=n_users)),
        "price_log_mean": pa.array(significant_values(mean, 9), mask=without),
        "price_log_std": pa.array(rounded(std, 6), mask=without),
    }


def _heaviest(rows: pa.Table, name: str, weight: str, count: int) -> tuple[np.ndarray, pa.Array, np.ndarray]:
    """Each user's ``count`` heaviest names, the weights of a user's name added; what weighs nothing does not count.

    Returns:
        users [n] int64, ascending; their names [n], the heaviest first, ties by name; the weights of these [n].
    """
    named = _where_known(rows, name)
    names, different = ranked(named[name])
    n_different = max(len(different), 1)
    pairs, pair_of = np.unique(named["user"].to_numpy() * n_different + names, return_inverse=True)
    weights = significant_values(np.bincount(pair_of, named[weight].to_numpy(), len(pairs)), 9)
    user, names = np.divmod(pairs[weights > 0], n_different)
    weights = weights[weights > 0]
    order = np.lexsort((names, -weights, user))
    # The users are ascending, so that the order leaves them as they are.
    kept = np.arange(len(user)) - np.searchsorted(user, user) < count
    order = order[kept]
    return user[kept], different.take(pa.array(names[order])), weights[order]


def _map(user: np.ndarray, names: pa.Array, weights: np.ndarray, n_users: int, *, shares: bool) -> pa.MapArray:
    """Per user [n_users] names to weights, or to the shares of the user's weights that these are."""
    ends = np.cumsum(np.bincount(user, minlength=n_users))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    values = weights / np.bincount(user, weights, n_users)[user] if shares else weights
    return pa.MapArray.from_arrays(offsets, names, pa.array(values))

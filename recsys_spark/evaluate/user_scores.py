"""Ranking metrics of every user at several cutoffs, in one pass over the lists.

Lists come as one row a place and leave Spark as such once: NumPy turns them into runs, one row a list as a rule, which
meet the relevant items and the popularity of their users' bucket. Models, users and items travel as 64-bit hashes of
their names, so that only numbers are moved. Among ten million names two share a hash with a chance of 3 in a million.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

USER_METRICS = ("recall", "precision", "f1", "ndcg", "hit_rate", "novelty", "served")
BUCKET_BOUNDS = (0, 1, 2, 5, 10)
"""Users and items are told apart by their interactions: up to each of these, and above the last."""
BUCKET_NAMES = ("0", "1", "2", "3-5", "6-10", ">10")
PLACES_AT_A_TIME = 1_000_000
RUN_FIELDS = "model bigint, owner bigint, first_rank int, items array<bigint>"
POPULARITY_FIELDS = "items array<bigint>, met_by array<bigint>"


def user_scores(
    lists: DataFrame,
    truth: DataFrame,
    popularity: DataFrame,
    cutoffs: Sequence[int],
    n_users: int,
    user_buckets: int,
) -> DataFrame:
    """One row for each model and user of the truth.

    Args:
        lists: model, slice, user_id, rank (from 1), item_id; an item is at most once in a list.
        truth: slice, user_id, item_id.
        popularity: item_id, n_users: how many users met the item. An item that is not there counts as met by one.
        cutoffs: Numbers of places that are judged, ascending.
        n_users: Users with events, of whom ``popularity`` counts.
        user_buckets: Tasks that the users are dealt to; each holds its users' lists, and of every item two numbers.

    Returns:
        model, slice, user_id, METRIC@K (double) of ``USER_METRICS`` for each cutoff, and as array<bigint>[6] by
        ``BUCKET_NAMES`` the user's relevant items (``wanted``) and those in the first places (``found``), of as many
        places as the last cutoff has. Novelty is null for a user without a list.
    """
    bucket = F.pmod("owner", F.lit(user_buckets)).cast("int").alias("bucket")
    listed, no_name = runs(lists), F.lit(None).cast("string")
    both = listed.withColumns({"slice": no_name, "user_id": no_name}).unionByName(_wanted(truth))
    users = both.select(bucket, "*")
    everywhere = F.explode(F.sequence(F.lit(0), F.lit(user_buckets - 1))).alias("bucket")
    known = _known(popularity, lists).select(everywhere, "*")
    work = partial(_scores_of_bucket, cutoffs=tuple(cutoffs), n_users=n_users)
    schema = ", ".join(f"`{name}` {kind}" for name, kind in _fields(cutoffs).items())
    return users.groupBy("bucket").cogroup(known.groupBy("bucket")).applyInArrow(work, schema)


def _fields(cutoffs: Sequence[int]) -> dict[str, str]:
    names = dict.fromkeys(("model", "slice", "user_id"), "string")
    metrics = {f"{metric}@{k}": "double" for k in cutoffs for metric in USER_METRICS}
    return names | metrics | {"wanted": "array<bigint>", "found": "array<bigint>"}


def runs(lists: DataFrame) -> DataFrame:
    """``RUN_FIELDS``: places that follow each other in a list and in the data. A list may be cut anywhere."""
    hashes = [F.xxhash64("model").alias("model"), F.xxhash64("slice", "user_id").alias("owner")]
    places = lists.select(*hashes, F.col("rank").cast("int").alias("rank"), F.xxhash64("item_id").alias("item"))
    return places.mapInArrow(_joined, RUN_FIELDS)


def _joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        model, owner, rank = (batch[name].to_numpy() for name in ("model", "owner", "rank"))
        cut = (model[1:] != model[:-1]) | (owner[1:] != owner[:-1]) | (rank[1:] != rank[:-1] + 1)
        first = np.flatnonzero(np.concatenate([[batch.num_rows > 0], cut]))
        offsets = pa.array(np.append(first, batch.num_rows), pa.int32())
        columns = [
            pa.array(model[first]),
            pa.array(owner[first]),
            pa.array(rank[first], pa.int32()),
            pa.ListArray.from_arrays(offsets, batch["item"]),
        ]
        yield pa.RecordBatch.from_arrays(columns, names=["model", "owner", "first_rank", "items"])


def _wanted(truth: DataFrame) -> DataFrame:
    """The relevant items of each user as a run of no model, with the names that the hashes stand for."""
    items = F.collect_set(F.xxhash64("item_id")).alias("items")
    no_model = F.lit(None).cast("bigint").alias("model")
    owner, first_rank = F.xxhash64("slice", "user_id").alias("owner"), F.lit(0).alias("first_rank")
    grouped = truth.groupBy("slice", "user_id").agg(items)
    return grouped.select(no_model, owner, first_rank, "items", "slice", "user_id")


def _known(popularity: DataFrame, lists: DataFrame) -> DataFrame:
    """What every bucket needs: ``POPULARITY_FIELDS``, many items a row, and a row with the models' names and hashes."""
    counts = popularity.select(F.xxhash64("item_id").alias("item"), F.col("n_users").cast("bigint").alias("met_by"))
    packed = counts.mapInArrow(_packed, POPULARITY_FIELDS)
    models = lists.select("model").distinct().select("model", F.xxhash64("model").alias("hash"))
    named = models.agg(F.collect_list("model").alias("models"), F.collect_list("hash").alias("hashes"))
    return packed.unionByName(named, allowMissingColumns=True)


def _packed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        offsets = pa.array([0, batch.num_rows], pa.int32())
        columns = [pa.ListArray.from_arrays(offsets, batch[name]) for name in ("item", "met_by")]
        yield pa.RecordBatch.from_arrays(columns, names=["items", "met_by"])


class _Popularity:
    """How many users met an item, by its hash."""

    def __init__(self, known: pa.Table, n_users: int) -> None:
        items, first = np.unique(_flat(known["items"]), return_index=True)
        self.index = pd.Index(items)
        # The last one is that of an item that nobody is known to have met.
        self.met_by = np.append(_flat(known["met_by"])[first], 0)
        self.surprise = np.log2(max(n_users, 1) / np.maximum(self.met_by, 1))

    def place(self, items: np.ndarray) -> np.ndarray:
        """Positions in ``met_by`` and ``surprise``; -1, the last one, of an unknown item."""
        return self.index.get_indexer(items)

    def group(self, items: np.ndarray) -> np.ndarray:
        """The position in ``BUCKET_NAMES`` of each item."""
        return np.searchsorted(BUCKET_BOUNDS, self.met_by[self.place(items)])


class _Wanted:
    """The relevant items of a bucket's users."""

    def __init__(self, truth: pa.Table) -> None:
        owners = truth["owner"].to_numpy()
        self.index = pd.Index(owners)
        self.sizes = np.diff(_offsets(truth["items"]))
        self.items = _flat(truth["items"])
        self.user = np.repeat(np.arange(len(owners)), self.sizes)
        self.pairs = np.sort(_pair(owners[self.user], self.items))
        # Few places hold a relevant item; a table of the pairs' first bits, at most one in 16 set, passes the rest by.
        self.shift = np.uint64(64 - (16 * len(self.pairs)).bit_length())
        self.may_be = np.zeros(1 << int(64 - self.shift), bool)
        self.may_be[self.pairs >> self.shift] = True

    def among(self, owners: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Positions of the relevant ones among pairs of owner and item."""
        pairs = _pair(owners, items)
        some = np.flatnonzero(self.may_be[pairs >> self.shift])
        at = np.minimum(np.searchsorted(self.pairs, pairs[some]), len(self.pairs) - 1)
        return some[self.pairs[at] == pairs[some]]


def _pair(owners: np.ndarray, items: np.ndarray) -> np.ndarray:
    """One hash of two."""
    return (owners ^ items).view(np.uint64)


@dataclass
class _Judged:
    """Some runs: listed items and their surprise in bits [runs, cutoffs], and each hit's run, rank and item group."""

    listed: np.ndarray
    surprise: np.ndarray
    hit_run: np.ndarray
    hit_rank: np.ndarray
    hit_group: np.ndarray


def _scores_of_bucket(users: pa.Table, known: pa.Table, cutoffs: Sequence[int], n_users: int) -> pa.Table:
    """The rows of ``user_scores`` of one bucket of users."""
    is_list = users["model"].is_valid()
    runs, truth = (users.filter(mask).combine_chunks() for mask in (is_list, pc.invert(is_list)))
    hashes = _flat(known["hashes"])
    if not (truth.num_rows and len(hashes)):
        return _schema(cutoffs).empty_table()
    wanted, popularity = _Wanted(truth), _Popularity(known, n_users)
    shape = (len(hashes), truth.num_rows)
    user = wanted.index.get_indexer(runs["owner"].to_numpy())
    of_truth = np.flatnonzero(user >= 0)
    runs = runs.take(pa.array(of_truth))
    of_list = pd.Index(hashes).get_indexer(runs["model"].to_numpy()) * shape[1] + user[of_truth]
    judged = _judged(runs, wanted, popularity, np.array(cutoffs))
    metrics = _metrics(judged, of_list, np.tile(wanted.sizes, shape[0]), cutoffs)
    relevant = _grouped(wanted.user, popularity.group(wanted.items), shape[1])
    found = _grouped(of_list[judged.hit_run], judged.hit_group, shape[0] * shape[1])
    each_model, each_user = (index.ravel() for index in np.indices(shape))
    columns = [
        pa.chunked_array([known["models"].combine_chunks().flatten()]).take(pa.array(each_model)),
        *(truth[name].take(pa.array(each_user)) for name in ("slice", "user_id")),
        *(pa.array(metrics[f"{metric}@{k}"], from_pandas=True) for k in cutoffs for metric in USER_METRICS),
        _lists(np.tile(relevant, (shape[0], 1))),
        _lists(found),
    ]
    return pa.Table.from_arrays(columns, schema=_schema(cutoffs))


def _judged(runs: pa.Table, wanted: _Wanted, popularity: _Popularity, cutoffs: np.ndarray) -> _Judged:
    """All runs, some at a time: what is worked on stays in the processor's caches."""
    owner, first_rank = (runs[name].to_numpy() for name in ("owner", "first_rank"))
    items, offsets = _flat(runs["items"]), _offsets(runs["items"])
    none = np.zeros((0, len(cutoffs)))
    parts = [_Judged(none.astype(int), none, *[np.zeros(0, int)] * 3)]
    start = 0
    while start < len(owner):
        full = int(np.searchsorted(offsets, offsets[start] + PLACES_AT_A_TIME, side="right")) - 1
        stop = min(max(full, start + 1), len(owner))
        here = items[offsets[start] : offsets[stop]]
        bounds = offsets[start : stop + 1] - offsets[start]
        part = _judged_part(here, bounds, first_rank[start:stop], owner[start:stop], wanted, popularity, cutoffs)
        part.hit_run += start
        parts.append(part)
        start = stop
    return _Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))


def _judged_part(
    items: np.ndarray,
    offsets: np.ndarray,
    first_rank: np.ndarray,
    owner: np.ndarray,
    wanted: _Wanted,
    popularity: _Popularity,
    cutoffs: np.ndarray,
) -> _Judged:
    length = np.diff(offsets)
    # A run falls into the places up to each cutoff that were not yet in the one before, and those beyond the last.
    listed = np.clip(cutoffs - first_rank[:, None] + 1, 0, length[:, None])
    bounds = offsets[:-1, None] + np.column_stack([np.zeros(len(length), int), listed])
    each = np.append(popularity.surprise[popularity.place(items)], 0.0)
    surprise = np.add.reduceat(each, bounds.ravel()).reshape(bounds.shape)[:, :-1]
    surprise[np.diff(bounds, axis=1) == 0] = 0.0  # reduceat gives an element where there is none to add
    run = np.repeat(np.arange(len(length)), length)
    hit = wanted.among(owner[run], items)
    rank = first_rank[run[hit]] + hit - offsets[run[hit]]
    hit, rank = (values[rank <= cutoffs[-1]] for values in (hit, rank))
    return _Judged(listed, surprise.cumsum(axis=1), run[hit], rank, popularity.group(items[hit]))


def _metrics(
    judged: _Judged, of_list: np.ndarray, n_wanted: np.ndarray, cutoffs: Sequence[int]
) -> Mapping[str, np.ndarray]:
    """METRIC@K of every list [lists], of which ``of_list`` gives the runs' and ``n_wanted`` the relevant items."""
    columns: dict[str, np.ndarray] = {}
    summed = partial(np.bincount, minlength=len(n_wanted))
    hit_list = of_list[judged.hit_run]
    discount = 1 / np.log2(np.arange(2, cutoffs[-1] + 2))
    ideal = discount.cumsum()
    for place, k in enumerate(cutoffs):
        hit = judged.hit_rank <= k
        listed, surprise = summed(of_list, judged.listed[:, place]), summed(of_list, judged.surprise[:, place])
        hits, gain = summed(hit_list[hit]), summed(hit_list[hit], discount[judged.hit_rank[hit] - 1])
        possible = np.minimum(n_wanted, k)
        columns |= {
            f"recall@{k}": hits / possible,
            f"precision@{k}": hits / k,
            # 2PR / (P + R) with P = hits / k and R = hits / possible
            f"f1@{k}": 2 * hits / (possible + k),
            f"ndcg@{k}": gain / ideal[possible - 1],
            f"hit_rate@{k}": (hits > 0).astype(float),
            f"novelty@{k}": np.where(listed > 0, surprise / np.maximum(listed, 1), np.nan),
            f"served@{k}": (listed > 0).astype(float),
        }
    return columns


def _grouped(row: np.ndarray, group: np.ndarray, n_rows: int) -> np.ndarray:
    """How often each row and group of ``BUCKET_NAMES`` occurs [rows, groups]."""
    n_groups = len(BUCKET_NAMES)
    return np.bincount(row * n_groups + group, minlength=n_rows * n_groups).reshape(n_rows, n_groups)


def _flat(lists: pa.ChunkedArray) -> np.ndarray:
    """The numbers of all lists, in order; null lists have none."""
    return np.concatenate([np.zeros(0, np.int64), *(chunk.flatten().to_numpy() for chunk in lists.chunks)])


def _offsets(lists: pa.ChunkedArray) -> np.ndarray:
    """Where each list begins in what ``_flat`` returns, and the end of the last one."""
    lengths = [np.zeros(0, np.int64), *(pc.list_value_length(chunk).to_numpy() for chunk in lists.chunks)]
    return np.append(0, np.concatenate(lengths).cumsum())


def _lists(rows: np.ndarray) -> pa.ListArray:
    """A matrix of int64 as a column of lists."""
    offsets = np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(rows.ravel()))


def _schema(cutoffs: Sequence[int]) -> pa.Schema:
    kinds = {"string": pa.string(), "double": pa.float64(), "array<bigint>": pa.list_(pa.int64())}
    return pa.schema([(name, kinds[kind]) for name, kind in _fields(cutoffs).items()])

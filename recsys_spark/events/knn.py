"""Fill a missing number with the mean of the nearest rows that have it.

The distance is Gower's (1971, A general coefficient of similarity): the mean, over the numbers that both rows have, of
|a - b| / range, and over the attributes of the share of values that are not common to both (Jaccard). The neighbours
come from a sample of bounded size, chosen by a hash of the key, so that the work grows with the rows and not with
their square, and no row of the table reaches the driver.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy import sparse

from recsys_spark.events.numbers import NUMBERS, accepted
from recsys_spark.kernels.draw import drawn

REFERENCES = 1_000
"""Rows that may be neighbours."""

GROUPS = 64
"""Parts that the rows are worked on in; each gets a copy of the references."""

CHUNK_ROWS = 5_000
"""Rows whose distances to all references are in memory at once: 40 MB."""


def nearest_fillers(frame: DataFrame, key: str, neighbours: int, alias: str) -> DataFrame:
    """Key and a map from each number's name that the row lacks to its filler, for accepted rows that lack any.

    Args:
        frame: rows with ``key``, ``attributes`` and NUMBERS.
        key: column that identifies an accepted row.
        neighbours: how many of the nearest references the mean is over.
        alias: name of the map's column.
    """
    tokens = F.flatten(
        F.transform(
            F.map_entries("attributes"), lambda e: F.transform(e["value"], lambda v: F.concat(e["key"], F.lit("="), v))
        )
    )
    rows = accepted(frame).select(F.col(key).alias("key"), F.col(NUMBERS).alias("numbers"), tokens.alias("tokens"))
    references = drawn(rows.where(F.size("numbers") > 0), "key", REFERENCES)
    copies = references.crossJoin(F.broadcast(references.sparkSession.range(GROUPS).withColumnRenamed("id", "part")))
    parts = rows.withColumn("part", F.pmod(F.xxhash64("key"), F.lit(GROUPS))).withColumn("is_reference", F.lit(False))
    together = parts.unionByName(copies.withColumn("is_reference", F.lit(True)))
    filled = together.groupBy("part").applyInArrow(_filler(neighbours), "key string, fillers map<string,double>")
    return filled.select(F.col("key").alias(key), F.col("fillers").alias(alias))


def _filler(neighbours: int) -> Callable[[pa.Table], pa.Table]:
    def fill(part: pa.Table) -> pa.Table:
        part = part.combine_chunks()
        is_reference = part["is_reference"]
        rows, references = part.filter(pc.invert(is_reference)), part.filter(is_reference)
        return fill_rows(rows, references.sort_by("key"), neighbours)

    return fill


def fill_rows(rows: pa.Table, references: pa.Table, neighbours: int) -> pa.Table:
    """Fillers of the rows that lack a number which some reference has.

    Args:
        rows: key string, numbers map<string,double>, tokens list<string>.
        references: the same columns, in the order that breaks ties.
        neighbours: references that the mean is over.

    Returns:
        key and fillers (map<string,double>), one row for each input row that lacks something.
    """
    names = np.unique(_map_parts(references["numbers"])[1]) if references.num_rows else np.array([], dtype=object)
    have, known = _matrix(rows["numbers"], names), _matrix(references["numbers"], names)
    fillers = np.full_like(have, np.nan)
    for start in range(0, len(have), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        distance = _gower(have[part], known) + _jaccard(rows["tokens"].slice(start, CHUNK_ROWS), references["tokens"])
        distance /= 1.0 + _shared(have[part], known)
        fillers[part] = _means(distance, have[part], known, neighbours)
    return _as_table(rows["key"], fillers, names)


def _means(distance: np.ndarray, have: np.ndarray, known: np.ndarray, neighbours: int) -> np.ndarray:
    """Mean of the nearest references' values where ``have`` [rows, names] is NaN; NaN elsewhere."""
    means = np.full_like(have, np.nan)
    for j in range(have.shape[1]):
        lacking, usable = np.isnan(have[:, j]), ~np.isnan(known[:, j])
        if not lacking.any():
            continue
        nearest = np.argsort(distance[np.ix_(lacking, usable)], axis=1, kind="stable")[:, :neighbours]
        means[lacking, j] = known[usable, j][nearest].mean(axis=1)
    return means


def _gower(have: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Sum over names of |a - b| / range where both are known: [rows, references]."""
    total = np.zeros((len(have), len(known)))
    for j in range(known.shape[1]):
        spread = np.nanmax(known[:, j]) - np.nanmin(known[:, j])
        total += np.nan_to_num(np.abs(have[:, j, None] - known[None, :, j]) / (spread or 1.0), nan=0.0)
    return total


def _shared(have: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Number of names that both have: [rows, references]."""
    return (~np.isnan(have)).astype(float) @ (~np.isnan(known)).astype(float).T


def _jaccard(rows: pa.ChunkedArray, references: pa.ChunkedArray) -> np.ndarray:
    """1 - |common| / |either| over attribute values; 0 where neither has any: [rows, references]."""
    left, right = rows.combine_chunks(), references.combine_chunks()
    vocabulary = pc.unique(pc.list_flatten(right))
    a, b = _one_hot(left, vocabulary), _one_hot(right, vocabulary)
    common = (a @ b.T).toarray()
    sizes = np.add.outer(_lengths(left), _lengths(right)).astype(float)
    either = sizes - common
    return np.where(either > 0, 1.0 - common / np.maximum(either, 1.0), 0.0)


def _one_hot(lists: pa.Array, vocabulary: pa.Array) -> sparse.csr_matrix:
    position = pc.index_in(pc.list_flatten(lists), value_set=vocabulary).to_numpy(zero_copy_only=False).astype(float)
    row = np.repeat(np.arange(len(lists)), _lengths(lists))
    seen = ~np.isnan(position)
    shape = (len(lists), max(len(vocabulary), 1))
    return sparse.csr_matrix((np.ones(seen.sum()), (row[seen], position[seen].astype(int))), shape=shape)


def _lengths(lists: pa.Array) -> np.ndarray:
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)


def _matrix(maps: pa.ChunkedArray, names: np.ndarray) -> np.ndarray:
    """Dense [rows, names] of a map column, NaN where a name is absent; ``names`` ascending."""
    rows, keys, values = _map_parts(maps)
    dense = np.full((len(maps), len(names)), np.nan)
    if len(names):
        column = np.minimum(np.searchsorted(names, keys), len(names) - 1)
        found = names[column] == keys
        dense[rows[found], column[found]] = values[found]
    return dense


def _map_parts(maps: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row number, key and value of every entry of a map column."""
    parts = [(chunk.offsets.to_numpy(), chunk.keys, chunk.items) for chunk in maps.chunks]
    rows, keys, values, before = [], [], [], 0
    for offsets, chunk_keys, chunk_values in parts:
        first, last = offsets[0], offsets[-1]
        rows.append(before + np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)))
        keys.append(np.asarray(chunk_keys.to_pylist(), dtype=object)[first:last])
        values.append(chunk_values.to_numpy(zero_copy_only=False)[first:last])
        before += len(offsets) - 1
    if not parts:
        return np.array([], dtype=int), np.array([], dtype=object), np.array([], dtype=float)
    return np.concatenate(rows), np.concatenate(keys), np.concatenate(values)


def _as_table(keys: pa.ChunkedArray, fillers: np.ndarray, names: np.ndarray) -> pa.Table:
    lacking = ~np.isnan(fillers).all(axis=1) if fillers.shape[1] else np.zeros(len(fillers), dtype=bool)
    kept = fillers[lacking]
    row, column = np.nonzero(~np.isnan(kept))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(kept)))]).astype(np.int32)
    maps = pa.MapArray.from_arrays(
        pa.array(offsets), pa.array(names[column], pa.string()), pa.array(kept[row, column], pa.float64())
    )
    return pa.table({"key": keys.filter(pa.array(lacking)), "fillers": maps})

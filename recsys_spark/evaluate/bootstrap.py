"""Means over users with bootstrap intervals, without bringing the users to one place.

The Poisson bootstrap (Chamandy et al., "Estimating uncertainty for massive data streams", 2012): in each replicate a
user counts Poisson(1) times instead of being drawn with replacement. The count comes from a hash of user and replicate,
so a replicate is a sum that every partition adds to, the same users are drawn for every model (differences between
models are paired), and the result does not depend on how the data lies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from math import exp, factorial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

PARTIAL_SCHEMA = "model string, slice string, bucket string, sums array<double>, counts array<double>, n_rows bigint"
RESULT_SCHEMA = (
    "model string, slice string, bucket string, metric string, value double, low double, high double, n_users bigint"
)
DIGITS = 10
"""Results are rounded: the order in which partial sums arrive must not show."""
POISSON_CDF = np.cumsum([exp(-1.0) / factorial(n) for n in range(20)])
INTERVAL = (0.025, 0.975)

Total = tuple[np.ndarray, np.ndarray, int]
"""Weighted sums and weights, one for each replicate and metric, and how many users they are of."""
Sums = dict[tuple[str, str, str], Total]


def with_intervals(scores: DataFrame, metrics: Sequence[str], replicates: int, seed: int) -> DataFrame:
    """The mean of each metric over users, by model, slice and bucket, and by model and slice (bucket ``all``).

    Args:
        scores: model, slice, bucket, user_id and one double column a metric; null leaves a user out of that metric.
        metrics: Names of the metric columns.
        replicates: Bootstrap replicates; 0 makes low and high equal to the value.
        seed: Of the bootstrap.

    Returns:
        model, slice, bucket, metric, value, low, high (2.5 and 97.5 %), n_users.
    """
    keyed = scores.select(
        "model",
        "slice",
        "bucket",
        F.xxhash64(F.lit(seed), "user_id").alias("hash"),
        *[F.col(m).cast("double").alias(m) for m in metrics],
    )
    partials = keyed.mapInArrow(partial(_partial_sums, metrics=tuple(metrics), replicates=replicates), PARTIAL_SCHEMA)
    return partials.groupBy("model", "slice").applyInArrow(partial(_merge, metrics=tuple(metrics)), RESULT_SCHEMA)


def poisson_counts(hashes: np.ndarray, replicates: int) -> np.ndarray:
    """How often each user counts in each replicate.

    Args:
        hashes: One int64 a user.
        replicates: Number of columns after the first.

    Returns:
        float64 ``[users, 1 + replicates]``; column 0 is 1, the data itself.
    """
    mixed = hashes.astype(np.uint64)[:, None] + np.arange(replicates, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    # The finaliser of splitmix64 (Steele et al. 2014) makes neighbouring counters independent.
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
    counts = np.searchsorted(POISSON_CDF, uniform, side="right").astype(np.float64)
    return np.hstack([np.ones((len(hashes), 1)), counts])


def _partial_sums(
    batches: Iterator[pa.RecordBatch], metrics: Sequence[str], replicates: int
) -> Iterator[pa.RecordBatch]:
    """Weighted sums and weights ``[1 + replicates, metrics]`` of one partition, for each model, slice and bucket."""
    shape = (1 + replicates, len(metrics))
    total: Sums = defaultdict(lambda: (np.zeros(shape), np.zeros(shape), 0))
    for batch in batches:
        values = np.column_stack([batch.column(m).to_numpy(zero_copy_only=False) for m in metrics])
        counts = poisson_counts(batch.column("hash").to_numpy(), replicates)
        for key, rows in _groups(batch):
            present = ~np.isnan(values[rows])
            sums, weights, n = total[key]
            weighted = counts[rows].T @ np.where(present, values[rows], 0.0)
            total[key] = (sums + weighted, weights + counts[rows].T @ present, n + len(rows))
    if total:
        yield _as_batch(total)


def _groups(batch: pa.RecordBatch) -> Iterator[tuple[tuple[str, str, str], np.ndarray]]:
    """Each model, slice and bucket of a batch with its row numbers."""
    keys = pa.table({c: batch.column(c) for c in ("model", "slice", "bucket")})
    keys = keys.append_column("row", pa.array(np.arange(batch.num_rows)))
    for group in keys.group_by(["model", "slice", "bucket"]).aggregate([("row", "list")]).to_pylist():
        yield (group["model"], group["slice"], group["bucket"]), np.asarray(group["row_list"])


def _as_batch(total: Sums) -> pa.RecordBatch:
    """The sums in the layout of ``PARTIAL_SCHEMA``."""
    model, slice_, bucket = zip(*total, strict=True)
    sums, counts, n_rows = zip(*total.values(), strict=True)
    flat = [pa.array([a.ravel() for a in arrays], pa.list_(pa.float64())) for arrays in (sums, counts)]
    columns = [pa.array(c, pa.string()) for c in (model, slice_, bucket)]
    names = ["model", "slice", "bucket", "sums", "counts", "n_rows"]
    return pa.RecordBatch.from_arrays([*columns, *flat, pa.array(n_rows, pa.int64())], names=names)


def _merge(partials: pa.Table, metrics: Sequence[str]) -> pa.Table:
    """Add the partitions of one model and slice up, and take quantiles over the replicates."""
    by_bucket: dict[str, Total] = {}
    columns = [partials.column(name) for name in ("bucket", "sums", "counts", "n_rows")]
    # The sums are read where Arrow has them: as Python's numbers, those of thousands of partitions take gigabytes.
    for bucket, sums, counts, n_rows in zip(*columns, strict=True):
        part = (sums.values.to_numpy(), counts.values.to_numpy(), n_rows.as_py())
        for key in (bucket.as_py(), "all"):
            by_bucket[key] = _added(by_bucket[key], part) if key in by_bucket else part
    first = {c: partials.column(c)[0].as_py() for c in ("model", "slice")}
    rows = [
        first | {"bucket": bucket} | found
        for bucket in sorted(by_bucket)
        for found in _quantiles(by_bucket[bucket], metrics)
    ]
    types = [(f, pa.string()) for f in ("model", "slice", "bucket", "metric")]
    types += [(f, pa.float64()) for f in ("value", "low", "high")]
    return pa.Table.from_pylist(rows, schema=pa.schema([*types, ("n_users", pa.int64())]))


def _added(one: Total, other: Total) -> Total:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _quantiles(total: Total, metrics: Sequence[str]) -> Iterator[dict]:
    """Value, bounds and users of each metric; a metric that no user has is left out."""
    sums, counts = (flat.reshape(-1, len(metrics)) for flat in total[:2])
    n_users = total[2]
    for column, metric in enumerate(metrics):
        drawn = counts[:, column] > 0  # a replicate of a tiny slice may draw nobody
        if not drawn[0]:
            continue
        means = sums[drawn, column] / counts[drawn, column]
        low, high = np.quantile(means[1:], INTERVAL) if len(means) > 1 else (means[0], means[0])
        value, low, high = (float(np.round(x, DIGITS)) for x in (means[0], low, high))
        yield {"metric": metric, "value": value, "low": low, "high": high, "n_users": n_users}

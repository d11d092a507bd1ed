"""The moment: what was in demand around the time when a user was last here.

Time is cut into buckets that hold equally many first meetings of a user and an item. The score of a user and an item is
the log of how much more often the item was met around the bucket of the user's last event than over all time, smoothed
by a Gaussian over days. It stands for what arrives and goes together with the user: a season, a launch, a campaign, the
rest of a visit that is not over. For users who left long ago it says little about today, and their route learns so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import csr_rows, list_column

PRIOR = 20.0
"""Smoothed meetings that every bucket has of all items, by their overall shares."""
FIELDS = "item_id string, moment array<float>"


@dataclass(frozen=True)
class Calendar:
    """Buckets of days.

    Attributes:
        edges: [buckets - 1], ascending; a day on an edge belongs to the bucket before it.
        blur: [buckets, buckets], how much a meeting in one bucket counts in another.
        count: [buckets], meetings.
    """

    edges: tuple[float, ...]
    blur: np.ndarray
    count: np.ndarray


def calendar(interactions: DataFrame, buckets: int, days: float) -> Calendar:
    """Equally filled buckets of first meetings. Runs two Spark jobs; whole days bound their memory.

    Args:
        interactions: the table.
        buckets: how many.
        days: standard deviation of the Gaussian.
    """
    shares = [k / buckets for k in range(1, buckets)]
    edges = tuple(interactions.agg(F.percentile(_day("first_ts"), shares)).collect()[0][0] or [])
    middle, count = np.full(buckets, np.inf), np.zeros(buckets)
    rows = interactions.groupBy(_bucket(edges, "first_ts").alias("bucket")).agg(
        F.avg(_day("first_ts")).alias("middle"), F.count("*").alias("n")
    )
    for row in rows.collect():
        middle[row["bucket"]], count[row["bucket"]] = row["middle"], row["n"]
    # Buckets without meetings (many on one day) lie infinitely far away from all others.
    away = np.subtract.outer(np.nan_to_num(middle, posinf=1e12), middle)
    return Calendar(edges, np.exp(-0.5 * (away / days) ** 2), count)


def item_moments(interactions: DataFrame, when: Calendar) -> DataFrame:
    """item_id, moment array<float>[buckets]: the log of the item's share in each bucket over its share of all."""
    bucket = _bucket(when.edges, "first_ts").alias("bucket")
    counted = interactions.groupBy("item_id", bucket).agg(F.count("*").alias("n"))
    listed = counted.groupBy("item_id").agg(F.array_sort(F.collect_list(F.struct("bucket", "n"))).alias("met"))
    by_item = listed.select(
        "item_id", F.col("met.bucket").alias("bucket"), F.col("met.n").cast("array<float>").alias("n")
    )
    return by_item.mapInArrow(partial(_moments, when=when), FIELDS)


def user_moments(interactions: DataFrame, edges: tuple[float, ...]) -> DataFrame:
    """user_id, moment_idx: the bucket of the user's last event with an item, the last one for what came after all."""
    last = interactions.groupBy("user_id").agg(F.max("last_ts").alias("last_ts"))
    return last.select("user_id", _bucket(edges, "last_ts").alias("moment_idx"))


def _bucket(edges: tuple[float, ...], ts: str) -> Column:
    known = F.array(*[F.lit(edge) for edge in edges]) if edges else F.array().cast("array<double>")
    return F.size(F.filter(known, lambda edge: edge < _day(ts)))


def _day(ts: str) -> Column:
    return F.floor(F.col(ts).cast("double") / 86_400.0).cast("double")


def _moments(batches: Iterator[pa.RecordBatch], when: Calendar) -> Iterator[pa.RecordBatch]:
    around = when.count @ when.blur
    for batch in batches:
        met = csr_rows(batch["bucket"], batch["n"], len(around)).toarray().astype(np.float64)
        share = met.sum(axis=1, keepdims=True) / when.count.sum()
        lift = np.log((met @ when.blur + PRIOR * share) / (around + PRIOR) / share)
        yield pa.RecordBatch.from_arrays([batch["item_id"], list_column(lift)], names=["item_id", "moment"])

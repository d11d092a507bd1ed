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

from recsys_spark.kernels.arrow import list_column, sparse_rows

PRIOR = 20.0
"""Smoothed meetings that every bucket has of all items, by their overall shares."""
FIELDS = "item_id string, moment array<float>"


@dataclass(frozen=True)
class Calendar:
    """Buckets of days.

    Attributes:
        edges: [buckets - 1], ascending; a day on an edge belongs to the bucket before it.
        blur: [buckets, buckets], how much a meeting in one bucket counts in another.
        total: [buckets], meetings after blurring.
    """

    edges: tuple[float, ...]
    blur: np.ndarray
    total: np.ndarray

    def bucket(self, ts: str) -> Column:
        """Position of a timestamp's bucket."""
        edges = F.array(*[F.lit(edge) for edge in self.edges]) if self.edges else F.array().cast("array<double>")
        return F.size(F.filter(edges, lambda edge: edge < _day(ts)))


def calendar(interactions: DataFrame, buckets: int, days: float) -> Calendar:
    """Equally filled buckets of first meetings. Runs two Spark jobs; whole days bound their memory.

    Args:
        interactions: the table.
        buckets: how many.
        days: standard deviation of the Gaussian.
    """
    shares = [k / buckets for k in range(1, buckets)]
    edges = interactions.agg(F.percentile(_day("first_ts"), shares)).collect()[0][0] or []
    found = Calendar(tuple(edges), np.zeros((buckets, buckets)), np.zeros(buckets))
    middle, count = np.full(buckets, np.inf), np.zeros(buckets)
    rows = interactions.groupBy(found.bucket("first_ts").alias("bucket")).agg(
        F.avg(_day("first_ts")).alias("middle"), F.count("*").alias("n")
    )
    for row in rows.collect():
        middle[row["bucket"]], count[row["bucket"]] = row["middle"], row["n"]
    # Buckets without meetings (many on one day) lie infinitely far away from all others.
    away = np.subtract.outer(np.nan_to_num(middle, posinf=1e12), middle)
    blur = np.exp(-0.5 * (away / days) ** 2)
    return Calendar(found.edges, blur, count @ blur)


def item_moments(interactions: DataFrame, when: Calendar) -> DataFrame:
    """item_id, moment array<float>[buckets]: the log of the item's share in each bucket over its share of all."""
    counted = interactions.groupBy("item_id", when.bucket("first_ts").alias("bucket")).agg(F.count("*").alias("n"))
    listed = counted.groupBy("item_id").agg(F.array_sort(F.collect_list(F.struct("bucket", "n"))).alias("met"))
    by_item = listed.select(
        "item_id", F.col("met.bucket").alias("bucket"), F.col("met.n").cast("array<float>").alias("n")
    )
    everyone = float(when.total.sum() and interactions.count())
    return by_item.mapInArrow(partial(_moments, when=when, everyone=everyone), FIELDS)


def user_moments(interactions: DataFrame, when: Calendar) -> DataFrame:
    """user_id, moment_idx: the bucket of the user's last event with an item."""
    last = interactions.groupBy("user_id").agg(F.max("last_ts").alias("last_ts"))
    return last.select("user_id", when.bucket("last_ts").alias("moment_idx"))


def _day(ts: str) -> Column:
    return F.floor(F.col(ts).cast("double") / 86_400.0).cast("double")


def _moments(batches: Iterator[pa.RecordBatch], when: Calendar, everyone: float) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        indptr, buckets, counts = sparse_rows(batch["bucket"], batch["n"])
        met = np.zeros((batch.num_rows, len(when.total)))
        met[np.repeat(np.arange(batch.num_rows), np.diff(indptr)), buckets] = counts
        share = met.sum(axis=1, keepdims=True) / everyone
        lift = np.log((met @ when.blur + PRIOR * share) / (when.total + PRIOR) / share)
        yield pa.RecordBatch.from_arrays([batch["item_id"], list_column(lift)], names=["item_id", "moment"])

"""Demographic affinity: how much more often holders of a user attribute take an item than everyone does.

The score of a user and an item is the sum of log-odds over the user's attributes: naive Bayes with a prior.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import list_column, sparse_rows


def attribute_counts(interactions: DataFrame, user_profiles: DataFrame) -> DataFrame:
    """item_id, n_users, feature_idx, feature_value: how many of an item's users hold each user attribute."""
    holders = interactions.select("user_id", "item_id").join(
        user_profiles.select("user_id", "feature_idx"), on="user_id", how="inner"
    )
    pairs = holders.select("item_id", F.explode("feature_idx").alias("idx")).groupBy("item_id", "idx").count()
    listed = pairs.groupBy("item_id").agg(F.array_sort(F.collect_list(F.struct("idx", "count"))).alias("counts"))
    users = interactions.groupBy("item_id").agg(F.count_distinct("user_id").alias("n_users"))
    empty = F.array().cast("array<struct<idx:int,count:bigint>>")
    counts = F.coalesce("counts", empty)
    return users.join(listed, on="item_id", how="left").select(
        "item_id",
        "n_users",
        F.transform(counts, lambda c: c["idx"]).alias("feature_idx"),
        F.transform(counts, lambda c: c["count"].cast("float")).alias("feature_value"),
    )


def log_odds(counts: DataFrame, n_features: int, prior: float) -> DataFrame:
    """item_id, log_odds array<float>[n_features] from :func:`attribute_counts`; runs one small Spark job for totals.

    log_odds[f] = log((n_fi + prior * s_i) / (N_f + prior)) - log(s_i), with s_i the item's share of all interactions
    and N_f the interactions of holders of f.
    """
    exploded = counts.select(F.explode(F.arrays_zip("feature_idx", "feature_value")).alias("c"))
    per_feature = exploded.groupBy("c.feature_idx").agg(F.sum("c.feature_value").alias("n")).collect()
    totals = np.zeros(n_features)
    for row in per_feature:
        totals[row["feature_idx"]] = row["n"]
    everyone = counts.agg(F.sum("n_users")).collect()[0][0] or 1
    compute = partial(_log_odds, totals=totals, everyone=float(everyone), prior=prior)
    return counts.mapInArrow(compute, "item_id string, log_odds array<float>")


def _log_odds(
    batches: Iterator[pa.RecordBatch], totals: np.ndarray, everyone: float, prior: float
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        indptr, indices, values = sparse_rows(batch["feature_idx"], batch["feature_value"])
        counts = np.zeros((batch.num_rows, len(totals)))
        counts[np.repeat(np.arange(batch.num_rows), np.diff(indptr)), indices] = values
        share = (batch["n_users"].to_numpy() / everyone)[:, None]
        odds = np.log((counts + prior * share) / (totals + prior)) - np.log(share)
        yield pa.RecordBatch.from_arrays([batch["item_id"], list_column(odds)], names=["item_id", "log_odds"])

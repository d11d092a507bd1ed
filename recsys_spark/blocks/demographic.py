"""Demographic affinity: which user attributes go with taking an item, each told apart from the others.

Each item has a penalised Poisson regression of its takers on user attributes, against the background of all users by
what they take. Together these are the softmax regression from attributes to items (Baker 1994, "The multinomial-Poisson
transformation"), but each item is fitted alone, where its counts are. Unlike naive Bayes, attributes that go together
are not counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import csr_rows, list_column
from recsys_spark.kernels.draw import hash_share

PRIORS = (3.2, 5.6, 10.0, 18.0, 32.0, 56.0, 100.0, 180.0, 320.0, 1000.0)
"""Strengths of the penalty to choose from, four to a decade where it matters."""
HELD_EVERY = 5
"""One user of so many judges the strengths."""
JUDGED_ITEMS = 4096
"""About so many items judge them at most: one number for all items needs no more."""
MAX_PROFILES = 4096
"""Distinct sets of attributes that stand for all users."""
ROWS_AT_ONCE = 512
ITERATIONS = 25
LEAST_GAIN = 1e-6
"""Gain of the log-likelihood, promised by a step, below which nothing is left to gain."""


@dataclass(frozen=True)
class Background:
    """Who takes anything at all: distinct users by attributes, turned so that their covariance is diagonal.

    Attributes:
        profiles: [profiles, features], centred and rotated.
        share: [profiles], share of all interactions.
        mean: [features], mean attributes of an interaction.
        rotation: [features, features].
        variance: [features], of the rotated profiles.
    """

    profiles: np.ndarray
    share: np.ndarray
    mean: np.ndarray
    rotation: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, attributes: np.ndarray, weight: np.ndarray) -> Background:
        """From 0/1 attributes [profiles, features] and how many interactions each profile stands for."""
        share = weight / weight.sum()
        mean = share @ attributes
        centred = attributes - mean
        variance, rotation = np.linalg.eigh((centred * share[:, None]).T @ centred)
        return cls(centred @ rotation, share, mean, rotation, np.maximum(variance, 0.0))


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


def background(interactions: DataFrame, user_profiles: DataFrame, n_features: int) -> Background:
    """The background of all interactions, from a bounded number of distinct profiles. Runs a Spark job.

    Where there are more profiles than MAX_PROFILES, they are drawn without replacement with chances by weight and count
    alike (Efraimidis and Spirakis 2006, weighted random sampling).
    """
    taken = interactions.groupBy("user_id").agg(F.count("*").alias("n"))
    profiles = (
        taken.join(user_profiles.select("user_id", "feature_idx"), on="user_id", how="inner")
        .groupBy("feature_idx")
        .agg(F.sum("n").alias("n"))
    )
    chance = (F.pmod(F.xxhash64(F.col("feature_idx").cast("string")), F.lit(2**31 - 1)) + 1) / 2.0**31
    found = profiles.orderBy(F.desc(F.log(chance) / F.col("n")), "feature_idx").limit(MAX_PROFILES + 1).toArrow()
    drawn = found.num_rows > MAX_PROFILES
    found = found.slice(0, MAX_PROFILES)
    weight = np.ones(found.num_rows) if drawn else found["n"].to_numpy().astype(float)
    attributes = csr_rows(found["feature_idx"], None, n_features).toarray().astype(np.float64)
    if not len(attributes):
        attributes, weight = np.zeros((1, n_features)), np.ones(1)
    return Background.of(attributes, weight)


def choose_prior(interactions: DataFrame, user_profiles: DataFrame, everyone: Background) -> float:
    """The strength under which users left out are most likely to have taken what they took. Runs two Spark jobs."""
    n_items = interactions.agg(F.approx_count_distinct("item_id")).collect()[0][0]
    drawn = interactions.where(hash_share("item_id", F.lit("prior")) < JUDGED_ITEMS / max(n_items, 1))
    held = F.pmod(F.xxhash64("user_id", F.lit("prior")), F.lit(HELD_EVERY)) == 0
    learned = attribute_counts(drawn.where(~held), user_profiles)
    names = {"n_users": "held_users", "feature_idx": "held_idx", "feature_value": "held_value"}
    judged = attribute_counts(drawn.where(held), user_profiles).withColumnsRenamed(names)
    gains = (
        learned.join(judged, on="item_id", how="inner")
        .mapInArrow(partial(_gains, everyone=everyone), "prior double, gain double")
        .groupBy("prior")
        .agg(F.round(F.sum("gain"), 3).alias("gain"))
        .collect()
    )
    best = max(gains, key=lambda row: (row["gain"], row["prior"]), default=None)
    return float(best["prior"]) if best else PRIORS[-1]


def log_odds(counts: DataFrame, everyone: Background, prior: float) -> DataFrame:
    """item_id, log_odds array<float>[n_features + 1] from :func:`attribute_counts`.

    The score of a user with 0/1 attributes x is x · log_odds[:-1] + log_odds[-1]: the log of how much more often such a
    user takes the item than everyone does.
    """
    return counts.mapInArrow(
        partial(_log_odds, everyone=everyone, prior=prior), "item_id string, log_odds array<float>"
    )


def fit_odds(sums: np.ndarray, n_users: np.ndarray, everyone: Background, prior: float) -> np.ndarray:
    """Rotated weights [items, features] of penalised Poisson regressions, each item's intercept profiled out.

    Ascent with the Hessian at 0, shortened for an item whose likelihood would fall.

    Args:
        sums: [items, features], how many of the item's users hold each attribute.
        n_users: [items].
        everyone: the background.
        prior: strength of the quadratic penalty.
    """
    target = (sums - n_users[:, None] * everyone.mean) @ everyone.rotation
    curvature = n_users[:, None] * everyone.variance + prior

    def state(weights: np.ndarray, some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Penalised log-likelihood [some] and its slope [some, features]."""
        log_sum, tilted = _tilt(weights, everyone)
        value = (target[some] * weights).sum(axis=1) - n_users[some] * log_sum - 0.5 * prior * (weights**2).sum(axis=1)
        return value, target[some] - n_users[some, None] * (tilted @ everyone.profiles) - prior * weights

    weights, step = np.zeros_like(target), np.ones(len(target))
    value, slope = state(weights, np.arange(len(target)))
    for _ in range(ITERATIONS):
        # Each item ends by itself, so that its weights do not hang on which others are fitted beside it.
        some = np.flatnonzero((slope**2 / curvature).sum(axis=1) >= LEAST_GAIN)
        if not len(some):
            break
        tried = weights[some] + step[some, None] * slope[some] / curvature[some]
        tried_value, tried_slope = state(tried, some)
        rises = tried_value >= value[some] - 1e-9
        step[some] = np.where(rises, np.minimum(step[some] * 1.5, 1.5), step[some] / 3)
        risen = some[rises]
        weights[risen], value[risen], slope[risen] = tried[rises], tried_value[rises], tried_slope[rises]
    return weights


def _tilt(weights: np.ndarray, everyone: Background) -> tuple[np.ndarray, np.ndarray]:
    """Log of the mean factor over the background [items], and the background as each item sees it [items, profiles]."""
    logit = weights @ everyone.profiles.T
    top = logit.max(axis=1, keepdims=True)
    tilted = np.exp(logit - top) * everyone.share
    total = tilted.sum(axis=1, keepdims=True)
    return np.log(total[:, 0]) + top[:, 0], tilted / total


def _dense(batch: pa.RecordBatch, idx: str, value: str, start: int, width: int) -> np.ndarray:
    rows = batch.slice(start, ROWS_AT_ONCE)
    return csr_rows(rows[idx], rows[value], width).toarray().astype(np.float64)


def _log_odds(batches: Iterator[pa.RecordBatch], everyone: Background, prior: float) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        parts = [np.zeros((0, len(everyone.mean) + 1))]
        n_users = batch["n_users"].to_numpy().astype(float)
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            sums = _dense(batch, "feature_idx", "feature_value", start, len(everyone.mean))
            rotated = fit_odds(sums, n_users[start : start + ROWS_AT_ONCE], everyone, prior)
            weights = rotated @ everyone.rotation.T
            constant = -_tilt(rotated, everyone)[0] - weights @ everyone.mean
            parts.append(np.hstack([weights, constant[:, None]]))
        odds = list_column(np.concatenate(parts))
        yield pa.RecordBatch.from_arrays([batch["item_id"], odds], names=["item_id", "log_odds"])


def _gains(batches: Iterator[pa.RecordBatch], everyone: Background) -> Iterator[pa.RecordBatch]:
    """How much likelier each prior makes what users left out took, than no knowledge of attributes does."""
    for batch in batches:
        total = np.zeros(len(PRIORS))
        n_users, held = (batch[name].to_numpy().astype(float) for name in ("n_users", "held_users"))
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            sums = _dense(batch, "feature_idx", "feature_value", start, len(everyone.mean))
            seen = _dense(batch, "held_idx", "held_value", start, len(everyone.mean))
            seen = (seen - held[rows, None] * everyone.mean) @ everyone.rotation
            for place, prior in enumerate(PRIORS):
                weights = fit_odds(sums, n_users[rows], everyone, prior)
                total[place] += ((seen * weights).sum(axis=1) - held[rows] * _tilt(weights, everyone)[0]).sum()
        yield pa.RecordBatch.from_arrays([pa.array(PRIORS), pa.array(total)], names=["prior", "gain"])

"""Events of one user with one item, summed into a strength."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.bins import significant
from recsys_spark.kernels.event_columns import decay, session_number

MAX_QUANTITY_FACTOR = 3.0
"""Seven pieces and more count alike: a bulk order is no seven-fold liking."""
DWELL_SCALE_SECONDS = 30.0


def interactions(
    events: DataFrame,
    as_of: datetime,
    *,
    event_weights: Mapping[str, float],
    default_event_weight: float,
    dwell_weight: float,
    half_life_days: float,
) -> DataFrame:
    """One row per user and item that met, after contract ``interactions``; events without an item do not count.

    strength = Σ weight(event_type) · dwell · amount · 0.5^(age_days / half_life_days), where
    dwell = 1 + dwell_weight · log(1 + dwell_seconds / 30) for views and 1 otherwise, and
    amount = log2(1 + quantity), between 1 and 3.
    """
    strength = (
        _type_weight(event_weights, default_event_weight)
        * _dwell_factor(dwell_weight)
        * _amount_factor()
        * decay("ts", as_of, half_life_days)
    )
    bought = (F.col("event_type") == "purchase").cast("bigint")
    met = events.where(F.col("item_id").isNotNull()).select(
        "user_id",
        "item_id",
        session_number().alias("session"),
        strength.alias("strength"),
        bought.alias("bought"),
        "ts",
    )
    return _by_pair(_by_session(met))


def _by_session(met: DataFrame) -> DataFrame:
    """One row per user, item and session. One shuffle by user serves this and the next grouping."""
    return (
        met.repartition("user_id", "item_id")
        .groupBy("user_id", "item_id", "session")
        .agg(
            F.sum("strength").alias("strength"),
            F.count("*").alias("n_events"),
            F.sum("bought").alias("n_purchases"),
            F.min("ts").alias("first_ts"),
            F.max("ts").alias("last_ts"),
        )
    )


def _by_pair(sessions: DataFrame) -> DataFrame:
    with_purchase = F.sum((F.col("n_purchases") > 0).cast("bigint"))
    return sessions.groupBy("user_id", "item_id").agg(
        significant(F.sum("strength"), 9).alias("strength"),
        F.sum("n_events").alias("n_events"),
        F.sum("n_purchases").alias("n_purchases"),
        F.when(with_purchase > 0, with_purchase).otherwise(F.count("*")).alias("n_sessions"),
        F.min("first_ts").alias("first_ts"),
        F.max("last_ts").alias("last_ts"),
    )


def _type_weight(event_weights: Mapping[str, float], default: float) -> Column:
    if not event_weights:
        return F.lit(float(default))
    pairs = chain.from_iterable((F.lit(name), F.lit(float(weight))) for name, weight in sorted(event_weights.items()))
    return F.coalesce(F.create_map(*pairs)[F.col("event_type")], F.lit(float(default)))


def _dwell_factor(dwell_weight: float) -> Column:
    seconds = F.greatest(F.coalesce(F.col("dwell_seconds"), F.lit(0.0)), F.lit(0.0))
    grown = 1.0 + dwell_weight * F.log1p(seconds / DWELL_SCALE_SECONDS)
    return F.when(F.col("event_type") == "view", grown).otherwise(1.0)


def _amount_factor() -> Column:
    amount = F.log2(1.0 + F.greatest(F.coalesce(F.col("quantity"), F.lit(1.0)), F.lit(1.0)))
    return F.least(amount, F.lit(MAX_QUANTITY_FACTOR))

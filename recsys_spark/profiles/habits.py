"""What a user's past says about taste: activity counts, shares of categories and brands, prices, search terms.

Rows of three kinds, sessions, words searched for and items met, are laid out by user together: one shuffle serves all
figures, and one pass over each user's rows makes them.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.event_columns import age_days, decay, session_number
from recsys_spark.profiles.by_user import FIELDS, summed_by_user

MIN_TERM_LENGTH = 2


def habits(
    events: DataFrame, interactions: DataFrame, items: DataFrame, as_of: datetime, half_life_days: float
) -> DataFrame:
    """One row per user with events or interactions: the columns of ``user_profiles`` that tell what the user did.

    Args:
        events: what users did; counts, platforms and search terms are of these.
        interactions: the same by user and item; categories, brands and prices are weighed by its strength.
        items: category, brand and price of what they met.
        as_of: the time that ages count back from.
        half_life_days: decay of search terms.

    Returns:
        user_id; n_events, n_purchases, n_sessions, spend, dwell_seconds, recency_days (null without events), n_items,
        price_log_mean, price_log_std (null without known prices); platform_shares, query_terms, category_shares and
        brand_shares, empty where there are none.
    """
    parts = (sessions(events), words(events, as_of, half_life_days), met(interactions, items))
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.unionByName(part, allowMissingColumns=True)
    summed = rows.repartition("user_id").sortWithinPartitions("user_id").mapInArrow(summed_by_user, FIELDS)
    recency = F.when(F.col("last_ts").isNotNull(), age_days("last_ts", as_of))
    return summed.withColumn("recency_days", recency).drop("last_ts")


def sessions(events: DataFrame) -> DataFrame:
    """Counts and sums per user_id, session and platform: a few rows where events are many.

    Events lie in no order that a user's would be together in, so that a task finds few of one session; they are
    shuffled first instead of being added up by a task before.
    """
    is_purchase = F.col("event_type") == "purchase"
    paid = F.when(is_purchase, F.coalesce(F.col("quantity") * F.col("price"), F.lit(0.0))).otherwise(0.0)
    needed = events.select(
        "user_id",
        session_number().alias("session"),
        "platform",
        is_purchase.cast("bigint").alias("bought"),
        "ts",
        paid.alias("paid"),
        F.coalesce("dwell_seconds", F.lit(0.0)).alias("dwell"),
    )
    return (
        needed.repartition("user_id")
        .groupBy("user_id", "session", "platform")
        .agg(
            F.count("*").alias("n_events"),
            F.sum("bought").alias("n_purchases"),
            F.max("ts").alias("last_ts"),
            F.sum("paid").alias("spend"),
            F.sum("dwell").alias("dwell_seconds"),
        )
    )


def words(events: DataFrame, as_of: datetime, half_life_days: float) -> DataFrame:
    """user_id, term, recency: each word searched for, as often as it was; split at what is no letter or digit."""
    split = F.split(F.lower("query_text"), r"[^\p{L}\p{M}\p{N}]+")
    return (
        events.where(F.col("query_text").isNotNull())
        .select("user_id", decay("ts", as_of, half_life_days).alias("recency"), F.explode(split).alias("term"))
        .where(F.length("term") >= MIN_TERM_LENGTH)
    )


def met(interactions: DataFrame, items: DataFrame) -> DataFrame:
    """user_id, strength, category, brand, log_price of each item met."""
    category = F.try_element_at("category_path", F.lit(-1))
    described = items.select("item_id", category.alias("category"), "brand", F.log1p("price").alias("log_price"))
    return interactions.join(described, "item_id", "left").select(
        "user_id", "strength", "category", "brand", "log_price"
    )

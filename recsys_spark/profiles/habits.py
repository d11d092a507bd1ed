"""What a user's past says about taste: activity counts, shares of categories and brands, prices, search terms."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.bins import significant
from recsys_spark.kernels.event_columns import age_days, decay, session_key

TOP_SHARES = 20
TOP_TERMS = 50
MIN_TERM_LENGTH = 2


def activity(events: DataFrame, as_of: datetime) -> DataFrame:
    """Counts and sums per user_id, in one grouping of the events."""
    is_purchase = F.col("event_type") == "purchase"
    paid = F.when(is_purchase, F.coalesce(F.col("quantity") * F.col("price"), F.lit(0.0))).otherwise(0.0)
    return (
        events.withColumn("session", session_key())
        .groupBy("user_id")
        .agg(
            F.count("*").alias("n_events"),
            F.sum(is_purchase.cast("bigint")).alias("n_purchases"),
            F.count_distinct("session").alias("n_sessions"),
            F.max("ts").alias("last_ts"),
            significant(F.sum(paid), 9).alias("spend"),
            significant(F.sum(F.coalesce("dwell_seconds", F.lit(0.0))), 9).alias("dwell_seconds"),
        )
        .withColumn("recency_days", age_days("last_ts", as_of))
        .drop("last_ts")
    )


def platform_shares(events: DataFrame) -> DataFrame:
    """user_id, platform_shares: share of the events whose platform is known."""
    counted = (
        events.where(F.col("platform").isNotNull())
        .groupBy("user_id", F.col("platform").alias("name"))
        .agg(F.count("*").cast("double").alias("weight"))
    )
    return (
        counted.groupBy("user_id")
        .agg(_top(F.lit(True), TOP_SHARES).alias("top"))
        .select("user_id", _shares("top").alias("platform_shares"))
    )


def taste(interactions: DataFrame, items: DataFrame) -> DataFrame:
    """user_id, n_items, category_shares, brand_shares, price_log_mean, price_log_std, weighed by strength."""
    category = F.try_element_at("category_path", F.lit(-1))
    described = items.select("item_id", category.alias("category"), "brand", F.log1p("price").alias("log_price"))
    met = interactions.select("user_id", "item_id", "strength").join(described, "item_id", "left")
    return _prices(met).join(_catalogue_shares(met), "user_id", "left")


def _catalogue_shares(met: DataFrame) -> DataFrame:
    kinds = F.array(
        F.struct(F.lit("category").alias("kind"), F.col("category").alias("name")),
        F.struct(F.lit("brand").alias("kind"), F.col("brand").alias("name")),
    )
    # Laid out by user, so that neither grouping moves rows again.
    weights = (
        met.repartition("user_id")
        .select("user_id", "strength", F.inline(kinds))
        .where(F.col("name").isNotNull())
        .groupBy("user_id", "kind", "name")
        .agg(significant(F.sum("strength"), 9).alias("weight"))
    )
    tops = weights.groupBy("user_id").agg(
        *[_top(F.col("kind") == kind, TOP_SHARES).alias(kind) for kind in ("category", "brand")]
    )
    return tops.select("user_id", _shares("category").alias("category_shares"), _shares("brand").alias("brand_shares"))


def _prices(met: DataFrame) -> DataFrame:
    """Weighted mean and standard deviation of log(1 + price) over the items whose price is known."""
    weight = F.when(F.col("log_price").isNotNull(), F.col("strength"))
    sums = met.groupBy("user_id").agg(
        F.count("*").alias("n_items"),
        F.sum(weight).alias("w"),
        F.sum(weight * F.col("log_price")).alias("wx"),
        F.sum(weight * F.col("log_price") * F.col("log_price")).alias("wxx"),
    )
    mean = F.when(F.col("w") > 0, F.col("wx") / F.col("w"))
    variance = F.greatest(F.col("wxx") / F.col("w") - mean * mean, F.lit(0.0))
    return sums.select(
        "user_id",
        "n_items",
        significant(mean, 9).alias("price_log_mean"),
        F.round(F.sqrt(variance), 6).alias("price_log_std"),
    )


def query_terms(events: DataFrame, as_of: datetime, half_life_days: float) -> DataFrame:
    """user_id, query_terms: decayed weight of each word searched for; words are split at what is no letter or digit."""
    words = F.split(F.lower("query_text"), r"[^\p{L}\p{N}]+")
    weights = (
        events.where(F.col("query_text").isNotNull())
        .select("user_id", decay("ts", as_of, half_life_days).alias("part"), F.explode(words).alias("name"))
        .where(F.length("name") >= MIN_TERM_LENGTH)
        .groupBy("user_id", "name")
        .agg(significant(F.sum("part"), 9).alias("weight"))
    )
    return (
        weights.groupBy("user_id")
        .agg(_top(F.lit(True), TOP_TERMS).alias("top"))
        .select("user_id", F.map_from_arrays("top.name", F.transform("top.rank", lambda r: -r)).alias("query_terms"))
    )


def _top(condition: Column, number: int) -> Column:
    """Aggregate: the heaviest ``name`` and ``weight`` rows as structs (rank = -weight, name), ties broken by name."""
    entry = F.when(condition & (F.col("weight") > 0), F.struct((-F.col("weight")).alias("rank"), "name"))
    return F.slice(F.array_sort(F.collect_list(entry)), 1, number)


def _shares(top: str) -> Column:
    """Name to share of what the list holds; an empty list gives an empty map."""
    total = F.aggregate(top, F.lit(0.0), lambda sum_, entry: sum_ + entry["rank"])
    return F.map_from_arrays(f"{top}.name", F.transform(top, lambda entry: entry["rank"] / total))

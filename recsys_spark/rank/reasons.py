"""Why an item stands on a list, in words, from the scorer that speaks most for it."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

NAMING = ("neighbours", "ease")
"""Scorers that name the item of a user's history that speaks most for another one."""


def with_reasons(
    top: DataFrame, user_profiles: DataFrame, items: DataFrame, interactions: DataFrame, boosts: DataFrame
) -> DataFrame:
    """Adds the column reason.

    Args:
        top: user_id, item_id and evidence (scorer to part of the score), one row a list's place.
        user_profiles: the table.
        items: the table.
        interactions: the table; of it how often a pair was bought.
        boosts: the table; of it the item that another one goes with.
    """
    bought = interactions.select("user_id", "item_id", F.col("n_purchases").alias("n_bought"))
    return (
        top.withColumn("strongest", strongest(F.col("evidence")))
        .join(bought, ["user_id", "item_id"], "left")
        .join(_because(boosts), ["user_id", "item_id", "strongest"], "left")
        # Where no item is named, the place's own takes its part: nulls would all meet in one task.
        .withColumn("named_item_id", F.coalesce("because_item_id", "item_id"))
        .join(_titles(items), "named_item_id", "left")
        .join(_taste_of_users(user_profiles), "user_id", "left")
        .join(_kind_of_items(items), "item_id", "left")
        .withColumn("liking", _liking())
        .select(*[F.col(f"`{name}`") for name in top.columns], _text().alias("reason"))
    )


def shares(evidence: Column) -> Column:
    """Each scorer's part of all that speaks for the pair, rounded to 4 decimals.

    Where nothing speaks for the pair, the shares are parts of what speaks against it, with a minus.
    """
    parts = F.map_values(evidence)
    in_favour = F.aggregate(parts, F.lit(0.0), lambda total, part: total + F.greatest(part, F.lit(0.0)))
    in_all = F.aggregate(parts, F.lit(0.0), lambda total, part: total + F.abs(part))
    base = F.when(in_favour > 0, in_favour).otherwise(in_all)
    return F.transform_values(evidence, lambda _, part: F.round(part / base, 4))


def strongest(evidence: Column) -> Column:
    """The scorer with the largest positive part, ties to the later name; null where nothing speaks for the pair."""
    entries = F.filter(F.map_entries(evidence), lambda entry: entry["value"] > 0)
    return F.array_max(F.transform(entries, lambda entry: F.struct(entry["value"], entry["key"])))["key"]


def _because(boosts: DataFrame) -> DataFrame:
    """user_id, item_id, and by each of NAMING the item that speaks most for the pair."""
    each = F.inline(F.arrays_zip("item_ids", "because_item_ids")).alias("item_id", "because_item_id")
    named = boosts.where(F.col("scorer").isin(*NAMING))
    return named.select("user_id", F.col("scorer").alias("strongest"), each)


def _titles(items: DataFrame) -> DataFrame:
    return items.select(F.col("item_id").alias("named_item_id"), F.col("title").alias("named_title"))


def _taste_of_users(user_profiles: DataFrame) -> DataFrame:
    stranger = ((F.col("n_events") == 0) & (F.col("n_attributes") == 0)).alias("is_stranger")
    return user_profiles.select("user_id", "brand_shares", "category_shares", stranger)


def _kind_of_items(items: DataFrame) -> DataFrame:
    category = F.when(F.size("category_path") > 0, F.element_at("category_path", -1))
    return items.select("item_id", F.col("brand").alias("its_brand"), category.alias("its_category"))


def _liking() -> Column:
    """The item's brand or narrowest category, whichever the user's history holds more of; null for neither."""
    brand, category = F.col("brand_shares")[F.col("its_brand")], F.col("category_shares")[F.col("its_category")]
    by_brand, by_category = F.coalesce(brand, F.lit(0.0)), F.coalesce(category, F.lit(0.0))
    return F.when((by_brand > 0) & (by_brand >= by_category), F.col("its_brand")).when(
        by_category > 0, F.col("its_category")
    )


def _text() -> Column:
    popular = F.when(F.col("is_stranger"), "Popular with everyone").otherwise("Popular right now")
    return (
        F.when(F.col("strongest").isNull(), "New for you to discover")
        .when(F.col("strongest").isin("habit", "recent", "repeat"), _habit())
        .when(F.col("strongest").isin(*NAMING), _goes_with())
        .when(F.col("strongest").isin("content", "pairs"), _matches())
        .when(F.col("strongest") == "demographic", "Liked by people like you")
        .when(F.col("strongest").isin("factors", "svd", "similar_users"), "People with a similar basket chose it")
        .when(F.col("strongest") == "deep", "Fits your profile")
        .when(F.col("strongest") == "popularity", popular)
        .when(F.col("strongest") == "trend", "In demand lately")
        .when(F.col("strongest") == "moment", "In demand when you were last here")
        .otherwise(F.concat(F.lit("Suggested by "), F.col("strongest")))
    )


def _habit() -> Column:
    times = F.concat(F.lit("You bought it "), F.col("n_bought").cast("string"), F.lit(" times"))
    return (
        F.when(F.col("n_bought") > 1, times)
        .when(F.col("n_bought") == 1, "You bought it before")
        .otherwise("You looked at it before")
    )


def _goes_with() -> Column:
    named = F.concat(F.lit("Goes with "), F.coalesce("named_title", "named_item_id"))
    return F.when(F.col("because_item_id").isNotNull(), named).otherwise("Goes with what you chose before")


def _matches() -> Column:
    known = F.concat(F.lit("Matches your liking for "), F.col("liking"))
    return F.coalesce(known, F.lit("Matches your taste"))

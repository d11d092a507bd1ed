"""Whose lists an update makes anew although they did nothing: items have left them, might come in, or lost a boost."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def shelf_changes(before: DataFrame, now: DataFrame) -> tuple[DataFrame, DataFrame]:
    """What came onto shelves, and what went from them: (shelf, item_id) each."""
    keys = ["shelf", "item_id"]
    return now.join(before, keys, "left_anti").select(*keys), before.join(now, keys, "left_anti").select(*keys)


def with_gone(recommendations: DataFrame, gone: DataFrame) -> DataFrame:
    """user_id: users with an item on a list that is no longer on that shelf."""
    return recommendations.join(gone, ["shelf", "item_id"], "left_semi").select("user_id").distinct()


def with_lost_boosts(recommendations: DataFrame, before: DataFrame, now: DataFrame) -> DataFrame:
    """user_id: users with an item on a list whose boost arrivals have taken the place of.

    Of unchanged users, boosts differ among new items alone.

    Args:
        recommendations: the table, before.
        before: the table boosts, before.
        now: the table boosts.
    """
    keys = ["user_id", "scorer", "item_group"]
    had, have = (boosts.where("item_group = 'new'").select(*keys, "item_ids") for boosts in (before, now))
    kept = F.coalesce("kept", F.array().cast("array<string>"))
    both = had.join(have.withColumnRenamed("item_ids", "kept"), keys, "left")
    lost = both.select("user_id", F.explode(F.array_except("item_ids", kept)).alias("item_id"))
    return recommendations.join(lost, ["user_id", "item_id"], "left_semi").select("user_id").distinct()


def with_arrivals(recommendations: DataFrame, top: DataFrame, lengths: Mapping[str, int]) -> DataFrame:
    """user_id: users on one of whose lists the best arrival may have a place.

    An arrival that scores below the last place of a full list changes nothing: all arrivals of that list score lower
    still. At an equal score the list is made anew, as ids may decide.

    Args:
        recommendations: the table, before.
        top: shelf, user_id, score of the best arrival for each user and shelf.
        lengths: places of each shelf.
    """
    last = recommendations.groupBy("shelf", "user_id").agg(F.min("score").alias("least"), F.count("*").alias("places"))
    length = F.create_map(*[F.lit(part) for item in lengths.items() for part in item])[F.col("shelf")]
    compared = top.select("shelf", "user_id", "score").join(last, ["shelf", "user_id"], "left")
    reached = F.col("least").isNull() | (F.col("places") < length) | (F.col("score") >= F.col("least"))
    return compared.where(reached).select("user_id").distinct()

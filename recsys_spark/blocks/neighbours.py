"""Items that are often met together, counted pair by pair."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.blocks.sparse import best, strongest
from recsys_spark.contracts import table


def similarities(interactions: DataFrame, *, neighbours: int, history: int, shrinkage: float) -> DataFrame:
    """ITEM_NEIGHBOURS of the scorer neighbours: the ``neighbours`` items most often met together with each item.

    Similarity is the share of the item's users who met the other one too, c / (n + shrinkage) where c of its n users
    did: the conditional probability of Deshpande and Karypis 2004, held back where n is small. A user counts with the
    ``history`` strongest items, so the work grows with users, not with the square of the longest history.
    """
    kept = strongest(interactions, history).select("user_id", "item_id")
    totals = kept.groupBy("item_id").agg(F.count("*").alias("n"))
    pairs = (
        kept.join(kept.select("user_id", F.col("item_id").alias("other_id")), on="user_id", how="inner")
        .where("item_id != other_id")
        .groupBy("item_id", "other_id")
        .agg(F.count("*").alias("c"))
    )
    valued = pairs.join(totals, on="item_id", how="inner").select(
        "item_id", "other_id", (F.col("c") / (F.col("n") + shrinkage)).alias("value")
    )
    found = best(valued, ("item_id",), neighbours, tie="other_id")
    return found.withColumn("scorer", F.lit("neighbours")).select(*table("item_neighbours").columns)

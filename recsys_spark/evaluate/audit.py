"""What must be true of lists before anybody sees them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

HEADLINE = ("recall", "ndcg")


def findings(recommendations: DataFrame, gaps: DataFrame) -> list[str]:
    """Everything that is wrong, in words; empty when the lists may be published.

    Args:
        recommendations: the table.
        gaps: shelf, expected, short_users: shelves on which users have fewer rows than the shelf has for them.
    """
    checked = recommendations.agg(
        F.count("*").alias("n"),
        F.count_if(F.isnan("score") | F.col("score").isNull()).alias("broken"),
        (F.count("*") - F.count_distinct("shelf", "user_id", "rank")).alias("same_place"),
        (F.count("*") - F.count_distinct("shelf", "user_id", "item_id")).alias("same_item"),
    ).collect()[0]
    lines = []
    if not checked["n"]:
        lines.append("recommendations: no rows")
    if checked["broken"]:
        lines.append(f"recommendations: {checked['broken']} rows without a finite score")
    if checked["same_place"]:
        lines.append(f"recommendations: {checked['same_place']} rows share shelf, user and rank with another")
    if checked["same_item"]:
        lines.append(f"recommendations: {checked['same_item']} rows repeat an item on a user's shelf")
    lines += [
        f"shelf {row['shelf']}: {row['short_users']} users have fewer than {row['expected']} rows"
        for row in gaps.orderBy("shelf").collect()
    ]
    return lines


def headline(metrics: DataFrame, k: int) -> dict[str, float]:
    """The backtest's figures that a release carries, by slice/metric@k."""
    kept = metrics.where(F.col("model") == "recsys").where(F.col("bucket") == "all").where(F.col("k") == k)
    rows = kept.where(F.col("metric").isin(*HEADLINE)).select("slice", "metric", "value").collect()
    return {f"{row['slice']}/{row['metric']}@{k}": row["value"] for row in rows}

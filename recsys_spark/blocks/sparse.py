"""What sparse scorers share: a user's best items, and the rows of the table boosts."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def best(rows: DataFrame, keys: tuple[str, ...], count: int, tie: str = "item_id") -> DataFrame:
    """The ``count`` rows of highest value of each key; ties go to the smaller id in the column ``tie``."""
    order = Window.partitionBy(*keys).orderBy(F.desc("value"), F.asc(tie))
    return rows.withColumn("place", F.row_number().over(order)).where(F.col("place") <= count).drop("place")


def as_boosts(valued: DataFrame, scorer: str) -> DataFrame:
    """BOOSTS from user_id, item_id, value, and because_item_id where the scorer has one."""
    named = "because_item_id" in valued.columns
    because = F.col("because_item_id") if named else F.lit(None).cast("string").alias("because_item_id")
    return valued.select("user_id", "item_id", F.lit(scorer).alias("scorer"), "value", because)

"""Caps on how many places of a list one brand or one category may have."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.config.ranking import ShelfSettings

RESERVE = 5
"""Places looked at for each place of a capped list."""


def is_capped(shelf: ShelfSettings) -> bool:
    """Whether a brand or a category has no more than some places of the shelf's lists."""
    return shelf.max_per_brand is not None or shelf.max_per_category is not None


def searched_length(shelf: ShelfSettings) -> int:
    """How many of a user's best items a shelf's list is made from."""
    return shelf.length * (RESERVE if is_capped(shelf) else 1)


def with_caps(top: DataFrame, items: DataFrame, shelves: Sequence[ShelfSettings]) -> DataFrame:
    """Lists in which no brand and no category has more than its places, as far as the reserve allows.

    In the order of rank an item whose brand or narrowest category has its places already moves behind all others; it
    comes back only where too few others are left to fill the list. Items without a brand or category are never capped.

    Args:
        top: variant, shelf, user_id, rank, item_id, …, with :func:`searched_length` places a list.
        items: the table.
        shelves: lengths and caps.

    Returns:
        The same columns, rank from 1 without gaps, at most the shelf's length.
    """
    if not any(is_capped(shelf) for shelf in shelves):
        return top
    narrowest = F.when(F.size("category_path") > 0, F.array_join("category_path", "/"))
    kinds = items.select("item_id", F.col("brand").alias("_brand"), narrowest.alias("_category"))
    marked = top.join(kinds, "item_id", "left").withColumn("_over", F.lit(False))
    for kind in ("brand", "category"):
        caps = {shelf.name: getattr(shelf, f"max_per_{kind}") for shelf in shelves}
        marked = marked.withColumn("_over", F.col("_over") | _beyond(f"_{kind}", caps))
    order = Window.partitionBy("variant", "shelf", "user_id").orderBy("_over", "rank")
    lengths = _by_shelf({shelf.name: shelf.length for shelf in shelves})
    ranked = marked.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= lengths)
    return ranked.select(*[F.col(f"`{name}`") for name in top.columns])


def _beyond(kind: str, caps: dict[str, int | None]) -> Column:
    """Whether the kind's places are taken by better items that are not moved back themselves."""
    before = Window.partitionBy("variant", "shelf", "user_id", kind).orderBy("rank")
    place = F.count_if(~F.col("_over")).over(before)
    return F.coalesce(F.col(kind).isNotNull() & (place > _by_shelf(caps)), F.lit(False))


def _by_shelf(values: dict[str, int | None]) -> Column:
    """A number for each shelf; null where there is none."""
    return F.coalesce(
        *[F.when(F.col("shelf") == name, F.lit(value)) for name, value in values.items() if value is not None],
        F.lit(None).cast("int"),
    )

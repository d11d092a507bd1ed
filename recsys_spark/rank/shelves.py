"""Which items may stand on which shelf."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.ranking import ShelfSettings
from recsys_spark.errors import SettingsError
from recsys_spark.kernels.event_columns import item_group


def shelf_items(items: DataFrame, item_vectors: DataFrame, shelves: Sequence[ShelfSettings]) -> DataFrame:
    """Every shelf's items: those that are available and meet the shelf's filter.

    Args:
        items: the table.
        item_vectors: the table; of it n_events, n_users and popularity.
        shelves: names and SQL filters.

    Returns:
        shelf, item_id.

    Raises:
        SettingsError: a filter is no condition over the columns there are.
    """
    counted = _with_counts(items, item_vectors).where("available")
    names = [F.when(_condition(counted, shelf), F.lit(shelf.name)) for shelf in shelves]
    listed = F.array_compact(F.array(*names))
    return counted.select(F.explode(listed).alias("shelf"), "item_id")


def available(item_blocks: DataFrame, items: DataFrame) -> DataFrame:
    """Rows of item_blocks whose item may be recommended."""
    return item_blocks.join(items.where("available").select("item_id"), "item_id", "left_semi")


def purchased(interactions: DataFrame) -> DataFrame:
    """Pairs (user_id, item_id) with at least one purchase."""
    return interactions.where("n_purchases > 0").select("user_id", "item_id")


def _with_counts(items: DataFrame, item_vectors: DataFrame) -> DataFrame:
    counts = item_vectors.select("item_id", "n_events", "n_users", "popularity")
    with_zeros = items.join(counts, "item_id", "left").fillna(0, ["n_events", "n_users", "popularity"])
    return with_zeros.select("*", item_group())


def _condition(items: DataFrame, shelf: ShelfSettings) -> Column:
    """The shelf's filter, tried on the columns there are: Spark analyses it without running anything."""
    try:
        condition = F.expr(shelf.filter)
        found = items.select(condition.alias("condition")).schema["condition"].dataType.simpleString()
    except PySparkException as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(_complaint(shelf, items, f"Spark cannot read it ({reason})")) from error
    if found != "boolean":
        raise SettingsError(_complaint(shelf, items, f"it gives {found}"))
    return condition


def _complaint(shelf: ShelfSettings, items: DataFrame, found: str) -> str:
    return (
        f"rank.shelves: the filter of shelf {shelf.name} is {shelf.filter!r}, and {found}; expected an SQL condition, "
        f"true or false for each item, over the columns {', '.join(items.columns)}"
    )

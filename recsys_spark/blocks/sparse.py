"""What sparse scorers share: the best items of a key, and the rows of the table boosts."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.kernels.encode import no_strings


def best(rows: DataFrame, keys: tuple[str, ...], count: int, tie: str = "item_id") -> DataFrame:
    """The ``count`` rows of highest value of each key; ties go to the smaller id in the column ``tie``."""
    return _placed(rows, keys, count, tie).drop("place")


def best_lists(valued: DataFrame, keys: tuple[str, ...], count: int) -> DataFrame:
    """The keys, item_ids, scores and because_item_ids as BOOSTS has them: each key's ``count`` items of highest value.

    Args:
        valued: the keys, item_id and value, and because_item_id if items are named; an item once a key.
        keys: columns.
        count: items of a key at most.
    """
    # The window has brought each key's rows together already, so that no shuffle follows.
    placed = F.collect_list(F.struct("place", *[name for name in valued.columns if name not in keys]))
    found = _placed(valued, keys, count, "item_id").groupBy(*keys).agg(F.sort_array(placed).alias("found"))
    because = F.col("found.because_item_id") if "because_item_id" in valued.columns else no_strings()
    lists = F.col("found.item_id").alias("item_ids"), F.col("found.value").alias("scores")
    return found.select(*keys, *lists, because.alias("because_item_ids"))


def best_of_shards(lists: DataFrame, keys: tuple[str, ...], count: int) -> DataFrame:
    """The same from rows that hold a part of a key's items each, as lists."""
    names = {"item_ids": "item_id", "scores": "value", "because_item_ids": "because_item_id"}
    held = [name for name in names if name in lists.columns]
    each = F.inline(F.arrays_zip(*held)).alias(*[names[name] for name in held])
    return best_lists(lists.select(*keys, each), keys, count)


def as_boosts(valued: DataFrame, scorer: str, per_user: int, item_group: str = "established") -> DataFrame:
    """BOOSTS of a scorer whose items all compete with each other.

    Args:
        valued: user_id, item_id and value, and because_item_id if the scorer names items; a pair once.
        scorer: its name.
        per_user: items of a user at most.
        item_group: of the items; ``any`` where a user of an update may have met what was new when all was learned.
    """
    lists = best_lists(valued, ("user_id",), per_user)
    return boosts_of_lists(lists.withColumn("scorer", F.lit(scorer)), item_group)


def boosts_of_lists(lists: DataFrame, item_group: str = "established") -> DataFrame:
    """BOOSTS from scorer, user_id, item_ids, scores and because_item_ids; see :func:`as_boosts`."""
    return lists.withColumn("item_group", F.lit(item_group)).select(*table("boosts").columns)


def strongest(interactions: DataFrame, history: int) -> DataFrame:
    """user_id, item_id, value: the ``history`` strongest items of each user."""
    strength = interactions.select("user_id", "item_id", F.col("strength").alias("value"))
    return best(strength, ("user_id",), history)


def _placed(rows: DataFrame, keys: tuple[str, ...], count: int, tie: str) -> DataFrame:
    order = Window.partitionBy(*keys).orderBy(F.desc("value"), F.asc(tie))
    return rows.withColumn("place", F.row_number().over(order)).where(F.col("place") <= count)

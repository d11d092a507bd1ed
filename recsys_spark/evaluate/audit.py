"""What must be true of lists before anybody sees them."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.together import together

HEADLINE = ("recall", "ndcg")
COUNTED = ("events", "users", "items", "recommendations")
"""Tables whose rows are compared with those of the release before."""


def findings(recommendations: DataFrame, item_audiences: DataFrame, gaps: DataFrame) -> list[str]:
    """Everything that is wrong with the lists themselves, in words; empty when they may be published.

    Args:
        recommendations: the table.
        item_audiences: the table.
        gaps: shelf, expected, short_users: shelves on which users have fewer rows than the shelf has for them.
    """
    told = {"same_place": F.collect_list("rank"), "same_item": F.collect_list("item_id")}
    lists = recommendations.groupBy("shelf", "user_id").agg(
        F.count("*").alias("n"),
        F.count_if(_not_finite("score")).alias("broken"),
        *[(F.count("*") - F.size(F.array_distinct(of_list))).alias(name) for name, of_list in told.items()],
    )
    sums = [F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in ("n", "broken", *told)]
    broken = item_audiences.where(_not_finite("score")).groupBy().count()
    asked = [lists.agg(*sums), broken, gaps.orderBy("shelf")]
    [checked], [(broken_audiences,)], short = together(lists.sparkSession, [frame.collect for frame in asked])
    lines = []
    if not checked["n"]:
        lines.append("recommendations: no rows")
    if checked["broken"]:
        lines.append(f"recommendations: {checked['broken']} rows without a finite score")
    if broken_audiences:
        lines.append(f"item_audiences: {broken_audiences} rows without a finite score")
    if checked["same_place"]:
        lines.append(f"recommendations: {checked['same_place']} rows share shelf, user and rank with another")
    if checked["same_item"]:
        lines.append(f"recommendations: {checked['same_item']} rows repeat an item on a user's shelf")
    lines += [
        f"shelf {row['shelf']}: {row['short_users']} users have fewer than {row['expected']} rows" for row in short
    ]
    return lines


def falls(
    what: str, found: Mapping[str, float], before: Mapping[str, float], max_fall: float, setting: str
) -> list[str]:
    """What fell by more than a share of what the release before has; what one of the two lacks is not compared.

    Args:
        what: of what the numbers are, such as rows.
        found: this refresh's numbers by name.
        before: the release's.
        max_fall: share that may be gone.
        setting: name of the setting that allows more.

    >>> falls("rows", {"users": 40, "items": 9}, {"users": 100, "items": 10}, 0.5, "audit.max_row_fall")
    ['rows of users: found 40, the release before has 100; audit.max_row_fall allows no less than 50']
    """
    least = {name: before[name] * (1 - max_fall) for name in sorted(found.keys() & before.keys())}
    return [
        f"{what} of {name}: found {found[name]:.6g}, the release before has {before[name]:.6g}; "
        f"{setting} allows no less than {floor:.6g}"
        for name, floor in least.items()
        if not found[name] >= floor  # so that NaN is a fall
    ]


def headline(metrics: DataFrame, k: int, *, at_best: bool = False) -> dict[str, float]:
    """The backtest's figures that a release carries, by slice/metric@k.

    Args:
        metrics: the table.
        k: the cutoff.
        at_best: the upper ends of their intervals instead, which of a few users may lie below the figure: then that.
    """
    value = F.greatest("value", "high") if at_best else F.col("value")
    kept = metrics.where(F.col("model") == "recsys").where(F.col("bucket") == "all").where(F.col("k") == k)
    rows = kept.where(F.col("metric").isin(*HEADLINE)).select("slice", "metric", value.alias("value")).collect()
    return {f"{row['slice']}/{row['metric']}@{k}": row["value"] for row in rows}


def _not_finite(name: str) -> Column:
    """Null, NaN or infinite."""
    return F.col(name).isNull() | F.isnan(name) | (F.abs(name) == float("inf"))

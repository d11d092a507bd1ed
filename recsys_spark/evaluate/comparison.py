"""What the lists are compared with, and which list is judged by which slice of the truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.evaluate.metrics import without_interval

RECSYS = "recsys"
BASELINE_OF = {"popularity": "popularity", "habit": "own habit", "content": "content", "demographic": "demographic"}
"""Scorer to the baseline's name: the scorer alone is what a shop could do without this project."""
BASELINES = tuple(BASELINE_OF.values())
ALONE, WITHOUT = "only ", "without "
TIE_BREAK = 1e-6
"""Weight of popularity beside a scorer alone, so that where the scorer is silent the list is not arbitrary."""
SHELF_OF = {"warm": "established", "cold_user": "established", "cold_item": "new", "cold_both": "new"}

WeightRow = dict[str, Any]


def contenders(route_weights: Iterable[Mapping[str, Any]]) -> dict[str, list[WeightRow]]:
    """Weights of every model to compare: recsys, each scorer alone, and recsys without each scorer it uses.

    Args:
        route_weights: Rows of the table.

    Returns:
        Model to rows of the same columns. A scorer alone is uncalibrated (slope 1, intercept 0).
    """
    learned = [dict(row) for row in route_weights]
    scorers = sorted({row["scorer"] for row in learned})
    used = sorted({row["scorer"] for row in learned if row["weight"] > 0})
    alone = {BASELINE_OF.get(s, ALONE + s): [_alone(row, s) for row in learned] for s in scorers}
    without = {WITHOUT + s: [_without(row, s) for row in learned] for s in used if len(used) > 1}
    return {RECSYS: learned} | alone | without


def _alone(row: WeightRow, scorer: str) -> WeightRow:
    rest = TIE_BREAK if row["scorer"] == "popularity" else 0.0
    return row | {"weight": 1.0 if row["scorer"] == scorer else rest, "slope": 1.0, "intercept": 0.0}


def _without(row: WeightRow, scorer: str) -> WeightRow:
    return row | {"weight": 0.0} if row["scorer"] == scorer else row


def candidate_items(item_blocks: DataFrame, all_events: DataFrame) -> DataFrame:
    """What a list of the backtest may hold: shelf (established or new), item_id.

    Items without any event, hidden or not, are left out: nobody could have taken them, so they say nothing.
    """
    met = all_events.where(F.col("item_id").isNotNull()).select("item_id").distinct()
    return item_blocks.join(met, "item_id", how="left_semi").select(F.col("item_group").alias("shelf"), "item_id")


def judged_lists(top: DataFrame, truth: DataFrame) -> DataFrame:
    """Give each slice of the truth the lists that it judges.

    Args:
        top: variant, shelf, user_id, rank, item_id.
        truth: Table ``truth``.

    Returns:
        model, slice, user_id, rank, item_id.
    """
    shelves = truth.select("slice", "user_id", _shelf_of_slice().alias("shelf")).distinct()
    lists = top.select(F.col("variant").alias("model"), "shelf", "user_id", "rank", "item_id")
    return lists.join(shelves, ["shelf", "user_id"], how="inner").select("model", "slice", "user_id", "rank", "item_id")


def candidates_by_slice(candidates: DataFrame) -> dict[str, int]:
    """How many items each slice's lists can hold (an action: two rows)."""
    counts = {row["shelf"]: row["n"] for row in candidates.groupBy("shelf").agg(F.count("*").alias("n")).collect()}
    return {slice_: counts.get(shelf, 0) for slice_, shelf in SHELF_OF.items()}


def full_lists(lists: DataFrame, truth: DataFrame, k: int, n_candidates: Mapping[str, int]) -> DataFrame:
    """METRICS rows full_list: the share of a slice's users whose list of recsys has all min(k, candidates) places."""
    lengths = lists.where(F.col("model") == RECSYS).groupBy("slice", "user_id").agg(F.count("*").alias("length"))
    users = truth.select("slice", "user_id").distinct().join(lengths, ["slice", "user_id"], how="left")
    places = {s: min(k, n) for s, n in n_candidates.items()}
    expected = F.coalesce(*[F.when(F.col("slice") == s, F.lit(n)) for s, n in places.items()])
    full = (F.coalesce("length", F.lit(0)) >= expected).cast("double")
    shares = users.groupBy("slice").agg(F.avg(full).alias("share"), F.count("*").alias("n_users"))
    named = shares.withColumns({"model": F.lit(RECSYS), "bucket": F.lit("all")})
    return without_interval(named, "full_list", F.col("share")).withColumn("k", F.lit(k))


def _shelf_of_slice() -> Column:
    return F.coalesce(*[F.when(F.col("slice") == s, F.lit(shelf)) for s, shelf in SHELF_OF.items()])

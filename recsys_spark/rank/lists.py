"""What the shop reads: recommendations for users, and whether everyone has them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.rank.reasons import shares, with_reasons


def recommendations(
    top: DataFrame,
    user_profiles: DataFrame,
    items: DataFrame,
    interactions: DataFrame,
    boosts: DataFrame,
    model_version: str,
    source_version: str,
) -> DataFrame:
    """The table recommendations.

    Args:
        top: from topn.TopN.ranked, of a single variant.
        user_profiles: the table.
        items: the table.
        interactions: the table.
        boosts: the table.
        model_version: from model_version.
        source_version: the run, and its as-of time.
    """
    reasoned = with_reasons(top, user_profiles, items, interactions, boosts)
    made_by = [F.lit(model_version).alias("model_version"), F.lit(source_version).alias("source_version")]
    columns = [name for name in table("recommendations").columns if name not in ("model_version", "source_version")]
    return reasoned.withColumn("evidence", shares(F.col("evidence"))).select(*columns, *made_by)


def model_version(route_weights: Iterable[Row], training_log: Iterable[Row]) -> str:
    """Hash of all that was learned: the weights of the routes and the hashes of the deep model's epochs."""
    weights = sorted(json.dumps(row.asDict(), sort_keys=True) for row in route_weights)
    epochs = [row["weights_sha256"] for row in sorted(training_log, key=lambda row: row["epoch"])]
    return hashlib.sha256(json.dumps([weights, epochs]).encode()).hexdigest()[:16]


def coverage_gaps(
    recommendations: DataFrame,
    users: DataFrame,
    shelf_items: DataFrame,
    excluded: DataFrame | None,
    shelves: Mapping[str, tuple[int, bool]],
) -> DataFrame:
    """How many users have fewer rows on a shelf than its length and its candidates allow.

    Args:
        recommendations: the table.
        users: any table with every user_id once.
        shelf_items: (shelf, item_id).
        excluded: pairs (user_id, item_id) that shelves with the flag leave out; None for none.
        shelves: shelf to (length, whether excluded pairs are left out).

    Returns:
        shelf, expected (rows of a user to whom nothing is barred), users, short_users: one row a shelf.
    """
    lengths = _lengths(shelf_items, shelves)
    served = recommendations.groupBy("shelf", "user_id").agg(F.count("*").alias("served"))
    due = users.select("user_id").crossJoin(F.broadcast(lengths)).join(served, ["shelf", "user_id"], "left")
    expected = F.least("length", "n_items").alias("expected")
    short = due.fillna(0, ["served"]).where(F.col("served") < expected)
    if excluded is not None:
        short = _not_barred(short, excluded, shelf_items)
    found = short.groupBy("shelf").agg(F.count("*").alias("short_users"))
    everyone = users.agg(F.count("*").alias("users"))
    told = lengths.crossJoin(everyone).join(found, "shelf", "left").fillna(0, ["short_users"])
    return told.select("shelf", expected, "users", "short_users")


def _not_barred(short: DataFrame, excluded: DataFrame, shelf_items: DataFrame) -> DataFrame:
    """The rows whose user has fewer places than there are items on the shelf that are not barred; few are asked for."""
    pairs = short.where("exclude").select("shelf", "user_id").join(excluded, "user_id", "inner").distinct()
    on_shelf = pairs.join(shelf_items, ["shelf", "item_id"], "left_semi")
    barred = on_shelf.groupBy("shelf", "user_id").agg(F.count("*").alias("n_barred"))
    free = F.col("n_items") - F.coalesce("n_barred", F.lit(0))
    return short.join(barred, ["shelf", "user_id"], "left").where(F.col("served") < free)


def _lengths(shelf_items: DataFrame, shelves: Mapping[str, tuple[int, bool]]) -> DataFrame:
    """shelf, length, exclude and n_items (0 for a shelf without items)."""
    rows = [(shelf, length, exclude) for shelf, (length, exclude) in shelves.items()]
    asked = shelf_items.sparkSession.createDataFrame(rows, "shelf string, length bigint, exclude boolean")
    counts = shelf_items.groupBy("shelf").agg(F.count("*").alias("n_items"))
    return asked.join(counts, "shelf", "left").fillna(0, ["n_items"])

"""All blocks of an id side by side: what its events taught, else what its attributes predict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.blocks.layout import Layout
from recsys_spark.blocks.maps import DEMAND, AttributeMap, demand_target
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.kernels.arrow import csr_rows, list_column, padded
from recsys_spark.kernels.bins import significant
from recsys_spark.kernels.event_columns import item_group


@dataclass(frozen=True)
class UserModel:
    """What turns a user's row into its vector; a block without a spread is not divided."""

    layout: Layout
    factors: AttributeMap
    svd: AttributeMap
    n_features: int
    spreads: Mapping[str, float]


@dataclass(frozen=True)
class ItemModel:
    """What turns an item's row into its vector; ``predicted`` maps to the blocks of ``layout.predicted``."""

    layout: Layout
    predicted: AttributeMap
    n_features: int


def item_targets(
    item_vectors: DataFrame, item_factors: DataFrame, item_svd: DataFrame, log_odds: DataFrame, layout: Layout
) -> DataFrame:
    """item_id, feature_idx, target: what events taught about each item that has them.

    The target holds the blocks of ``layout.predicted`` side by side. Runs a small Spark job.
    """
    taken = item_vectors.where("n_users > 0")
    means = taken.agg(*[significant(F.avg(count), 9).alias(count) for count in DEMAND.values()]).collect()[0]
    demand = {block: demand_target(F.col(count), means[count] or 1.0) for block, count in DEMAND.items()}
    known = taken
    for learned in (item_factors, item_svd, log_odds):
        known = known.join(learned, on="item_id", how="left")
    whole = _whole("factors", layout.factors) & _whole("svd", layout.svd) & _whole("log_odds", layout.demographic)
    parts = {
        "factors": F.col("factors"),
        "svd": F.col("svd"),
        "demographic": F.col("log_odds"),
        **{block: F.array(target.cast("float")) for block, target in demand.items()},
    }
    empty = F.array().cast("array<float>")
    target = F.concat(empty, *[parts[name] for name, width in layout.predicted.items() if width])
    return known.where(whole).select("item_id", "feature_idx", target.alias("target"))


def user_rows(
    user_profiles: DataFrame, user_factors: DataFrame, user_svd: DataFrame, moments: DataFrame, towers: DataFrame
) -> DataFrame:
    """Each user with all that its vector is made of; empty arrays where there is nothing."""
    deep = towers.where("side = 'user'").select(F.col("idx").alias("user_idx"), F.col("vector").alias("deep"))
    joined = (
        user_profiles.join(user_factors, on="user_id", how="left")
        .join(user_svd, on="user_id", how="left")
        .join(moments, on="user_id", how="left")
        .join(deep, on="user_idx", how="left")
    )
    return joined.select(
        "user_id",
        F.col("state").alias("route"),
        "n_events",
        "feature_idx",
        "feature_value",
        _or_empty("factors"),
        _or_empty("svd"),
        F.coalesce("moment_idx", F.lit(-1)).alias("moment_idx"),
        _or_empty("deep"),
    )


def user_blocks(rows: DataFrame, model: UserModel) -> DataFrame:
    """USER_BLOCKS from :func:`user_rows`."""
    schema = spark_schema(table("user_blocks"))
    return rows.mapInArrow(partial(_user_vectors, model=model), schema)


def item_rows(item_vectors: DataFrame, targets: DataFrame, moments: DataFrame, towers: DataFrame) -> DataFrame:
    """Each item with all that its vector is made of; empty arrays where there is nothing."""
    deep = towers.where("side = 'item'").select(F.col("idx").alias("item_idx"), F.col("vector").alias("deep"))
    joined = (
        item_vectors.join(targets.select("item_id", "target"), on="item_id", how="left")
        .join(moments, on="item_id", how="left")
        .join(deep, on="item_idx", how="left")
    )
    return joined.select(
        "item_id",
        item_group(),
        "n_events",
        "feature_idx",
        F.log1p("n_users").alias("log_users"),
        F.log1p("popularity").alias("log_trend"),
        _or_empty("target"),
        _or_empty("moment"),
        _or_empty("deep"),
    )


def item_blocks(rows: DataFrame, model: ItemModel) -> DataFrame:
    """ITEM_BLOCKS from :func:`item_rows`."""
    schema = spark_schema(table("item_blocks"))
    return rows.mapInArrow(partial(_item_vectors, model=model), schema)


def _whole(name: str, width: int) -> Column:
    return F.coalesce(F.size(name) == width, F.lit(False)) if width else F.lit(True)


def _or_empty(name: str) -> Column:
    return F.coalesce(F.col(name), F.array().cast("array<float>")).alias(name)


def _user_vectors(batches: Iterator[pa.RecordBatch], model: UserModel) -> Iterator[pa.RecordBatch]:
    layout = model.layout
    for batch in batches:
        attributes = csr_rows(batch["feature_idx"], batch["feature_value"], model.n_features).toarray()
        held = csr_rows(batch["feature_idx"], None, model.n_features)
        parts = {
            "factors": _own_or_predicted(batch, "factors", model.factors.predict(held)),
            "svd": _own_or_predicted(batch, "svd", model.svd.predict(held)),
            # The last place meets the constant of an item's log-odds.
            "demographic": np.hstack([attributes, np.ones((batch.num_rows, 1), np.float32)]),
            "popularity": np.ones((batch.num_rows, 1), np.float32),
            "trend": np.ones((batch.num_rows, 1), np.float32),
            # A new user has no moment, a new item none either: both score 0.
            "moment": batch["moment_idx"].to_numpy()[:, None] == np.arange(layout.moment),
            "deep": padded(batch["deep"], layout.deep)[0],
        }
        divided = {name: part / np.float32(model.spreads.get(name, 1.0)) for name, part in parts.items()}
        yield _rows(batch, ["user_id", "route", "n_events"], divided, layout)


def _item_vectors(batches: Iterator[pa.RecordBatch], model: ItemModel) -> Iterator[pa.RecordBatch]:
    layout = model.layout
    for batch in batches:
        held = csr_rows(batch["feature_idx"], None, model.n_features)
        learned = _own_or_predicted(batch, "target", model.predicted.predict(held))
        ends = np.cumsum(list(layout.predicted.values()))[:-1]
        by_block = dict(zip(layout.predicted, np.split(learned, ends, axis=1), strict=True))
        parts = {
            **by_block,
            "popularity": _counted(batch, "log_users", by_block["popularity"]),
            "trend": _counted(batch, "log_trend", by_block["trend"]),
            "moment": padded(batch["moment"], layout.moment)[0],
            "deep": padded(batch["deep"], layout.deep)[0],
        }
        yield _rows(batch, ["item_id", "item_group", "n_events"], parts, layout)


def _own_or_predicted(batch: pa.RecordBatch, name: str, predicted: np.ndarray) -> np.ndarray:
    own, has_own = padded(batch[name], predicted.shape[1])
    return np.where(has_own[:, None], own, predicted)


def _counted(batch: pa.RecordBatch, name: str, predicted: np.ndarray) -> np.ndarray:
    """The log of a count of items with events; new items among themselves are ordered by the prediction."""
    counted = batch[name].to_numpy().astype(np.float32)[:, None]
    # A count may have decayed to 0.
    return np.where(batch["n_events"].to_numpy()[:, None] > 0, counted, predicted)


def _rows(batch: pa.RecordBatch, keep: list[str], parts: dict[str, np.ndarray], layout: Layout) -> pa.RecordBatch:
    vector = np.concatenate([parts[name][:, :width] for name, _, width in layout.rows], axis=1)
    columns = [batch[name] for name in keep]
    return pa.RecordBatch.from_arrays([*columns, list_column(vector)], names=[*keep, "vector"])

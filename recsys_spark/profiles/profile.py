"""Users as the rest of the pipeline knows them: encoded attributes, habits and state."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.kernels.encode import (
    attribute_values,
    encode,
    encoding,
    vocabulary,
    with_measure_values,
    with_missing_values,
)
from recsys_spark.kernels.index import with_kept_positions
from recsys_spark.kernels.numbered import id_encoding, with_id_values
from recsys_spark.profiles.habits import habits

MEASURE_BINS = 10
"""Numeric attributes are encoded as deciles."""
ID_LEVELS = (8,)
"""How many bins users are cut into by the order of their ids; each is one more group of users to tell apart."""


def user_encoding(users: DataFrame, *, id_order: bool) -> DataFrame:
    """Deciles of the measures, bins of the ids and the usual attributes, after contract ``user_encoding``."""
    known = encoding(users, "measures", "attributes", MEASURE_BINS)
    return known.unionByName(id_encoding(users, "user_id", ID_LEVELS[-1])) if id_order else known


def user_features(users: DataFrame, user_encoding: DataFrame, *, max_features: int, min_holders: int) -> DataFrame:
    """The attribute values and bins of measures and ids that the profiles encode, after contract ``user_features``."""
    return vocabulary(_described(users, user_encoding), "features", min_holders=min_holders, max_size=max_features)


def user_profiles(
    users: DataFrame,
    events: DataFrame,
    interactions: DataFrame,
    items: DataFrame,
    user_encoding: DataFrame,
    user_features: DataFrame,
    as_of: datetime,
    *,
    kept: DataFrame | None,
    warm_from_items: int,
    inactive_after_days: float,
    half_life_days: float,
) -> DataFrame:
    """One row for every row of ``users``, after contract ``user_profiles``.

    Args:
        users: the users to describe; events of others are ignored.
        events: what they did.
        interactions: the same by user and item.
        items: category, brand and price of what they met.
        user_encoding: bins and usual attributes.
        user_features: the vocabulary to encode with.
        as_of: the time that ages count back from; what lies after it has the age 0.
        kept: user_id and user_idx of users who have a position already; None for none.
        warm_from_items: distinct items from which a user is warm.
        inactive_after_days: users whose last event is older are inactive.
        half_life_days: decay of search terms.
    """
    joined = with_kept_positions(users.select("user_id"), "user_id", "user_idx", kept)
    described = _described(users, user_encoding)
    for part in (
        encode(described, ("user_id", "n_attributes"), "features", user_features, by_idf=False),
        habits(events, interactions, items, as_of, half_life_days),
    ):
        joined = joined.join(part, "user_id", "left")
    return joined.select(*[_column(name, warm_from_items, inactive_after_days) for name in _PROFILES.columns])


_PROFILES = table("user_profiles")


def _described(users: DataFrame, user_encoding: DataFrame) -> DataFrame:
    """user_id, how many attributes are known, and all features as strings, missing values among them."""
    measured = with_measure_values(users, "measures", "deciles", user_encoding)
    placed = with_id_values(measured, "user_id", "order", user_encoding, ID_LEVELS)
    whole = with_missing_values(placed, "attributes", "missing", user_encoding)
    known = F.concat(attribute_values("attributes"), F.col("deciles"))
    return whole.select(
        "user_id", F.size(known).alias("n_attributes"), F.concat(known, "order", "missing").alias("features")
    )


def _column(name: str, warm_from_items: int, inactive_after_days: float) -> Column:
    """A column of the contract; what a user without events lacks becomes 0 or an empty map."""
    if name == "state":
        return _state(warm_from_items, inactive_after_days).alias(name)
    field = _PROFILES.field(name)
    if field.nullable or field.type.startswith("array") or name in ("user_id", "user_idx"):
        return F.col(name)
    neutral = F.create_map() if field.type.startswith("map") else F.lit(0)
    return F.coalesce(F.col(name), neutral.cast(field.type)).alias(name)


def _state(warm_from_items: int, inactive_after_days: float) -> Column:
    return (
        F.when(F.col("n_events").isNull(), "cold")
        .when(F.col("recency_days") > inactive_after_days, "inactive")
        .when(F.col("n_items") >= warm_from_items, "warm")
        .otherwise("warming")
    )

"""Items as the rest of the pipeline knows them: encoded attributes, text, co-purchase and popularity."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.bins import significant
from recsys_spark.kernels.encode import encode, vocabulary
from recsys_spark.kernels.event_columns import decay
from recsys_spark.kernels.index import with_kept_positions
from recsys_spark.vectors.describe import described
from recsys_spark.vectors.sessions import session_vectors
from recsys_spark.vectors.text import text_vectors


def item_features(
    items: DataFrame, item_encoding: DataFrame, *, max_features: int, min_holders: int, pairs: bool
) -> DataFrame:
    """The attribute values, categories, brands, price bins and pairs to encode, after contract ``item_features``."""
    features = described(items, item_encoding, pairs=pairs)
    return vocabulary(features, "features", min_holders=min_holders, max_size=max_features)


def item_vectors(
    items: DataFrame,
    events: DataFrame | None,
    interactions: DataFrame,
    item_encoding: DataFrame,
    item_features: DataFrame,
    item_terms: DataFrame,
    as_of: datetime,
    *,
    kept: DataFrame | None,
    half_life_days: float,
    pairs: bool,
    text_width: int,
    session_width: int,
    seed: int = 0,
) -> DataFrame:
    """One row for every row of ``items``, after contract ``item_vectors``.

    Args:
        items: the items to describe.
        events: what sessions are learned from, where session_width > 0; None for items that stand in no session.
        interactions: what popularity and counts are summed from.
        item_encoding: bins and usual attributes.
        item_features: the vocabulary to encode with, made with the same ``pairs``.
        item_terms: the words of texts that count.
        as_of: the time that popularity decays back from.
        kept: item_id and item_idx of items that have a position already; None for none.
        half_life_days: decay of popularity.
        pairs: whether pairs of attributes are features.
        text_width: length of text_vector; 0 switches it off.
        session_width: length of session_vector; 0 switches it off.
        seed: of the session embedding and the text projection.
    """
    features = described(items, item_encoding, pairs=pairs)
    joined = (
        with_kept_positions(items.select("item_id"), "item_id", "item_idx", kept)
        .join(encode(features, ("item_id",), "features", item_features, by_idf=True), "item_id", "left")
        .join(demand(interactions, as_of, half_life_days), "item_id", "left")
    )
    widths = {"text_vector": text_width, "session_vector": session_width}
    if text_width:
        joined = joined.join(text_vectors(items, item_terms, text_width, seed), "item_id", "left")
    if session_width and events is not None:
        joined = joined.join(session_vectors(events, session_width, seed), "item_id", "left")
    return joined.select(
        "item_id",
        "item_idx",
        *[F.coalesce(F.col(name), F.lit(0).cast(kind)).alias(name) for name, kind in _DEMAND],
        "feature_idx",
        "feature_value",
        *[_vector(name, width, name in joined.columns) for name, width in widths.items()],
    )


_DEMAND = (("n_events", "bigint"), ("n_users", "bigint"), ("popularity", "double"))


def demand(interactions: DataFrame, as_of: datetime, half_life_days: float) -> DataFrame:
    """Counts per item_id, and popularity = sum over its users of 0.5^(days since their last event / half-life)."""
    return interactions.groupBy("item_id").agg(
        F.sum("n_events").alias("n_events"),
        F.count("*").alias("n_users"),
        significant(F.sum(decay("last_ts", as_of, half_life_days)), 9).alias("popularity"),
    )


def _vector(name: str, width: int, known: bool) -> Column:
    """The vector, zeros where an item has none, an empty array where it is switched off."""
    zeros = F.array_repeat(F.lit(0.0), width).cast("array<float>")
    return (F.coalesce(F.col(name), zeros) if known else zeros).alias(name)

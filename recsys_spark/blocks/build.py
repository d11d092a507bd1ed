"""Fit what the blocks need and hand out the block tables; the recipe of this room, top to bottom."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame

from recsys_spark.blocks.assemble import (
    ItemModel,
    UserModel,
    item_blocks,
    item_rows,
    item_targets,
    target_width,
    user_blocks,
    user_rows,
)
from recsys_spark.blocks.content import ContentMap, fit_content, user_lifts
from recsys_spark.blocks.demographic import attribute_counts, log_odds
from recsys_spark.blocks.layout import Layout
from recsys_spark.blocks.maps import fit_map
from recsys_spark.config.settings import BlockSettings


@dataclass(frozen=True)
class Inputs:
    """The tables that the blocks are made of, and how many features each side encodes."""

    interactions: DataFrame
    user_profiles: DataFrame
    item_vectors: DataFrame
    user_factors: DataFrame
    item_factors: DataFrame
    tower_vectors: DataFrame
    n_user_features: int
    n_item_features: int


def make_layout(inputs: Inputs, settings: BlockSettings, *, rank: int, deep_width: int) -> Layout:
    """Which blocks there are; a block without anything to stand on (no attributes, no towers) has no place."""
    content = settings.content_width if inputs.n_item_features else 0
    return Layout.of(
        settings.enabled, factors=rank, content=content, demographic=inputs.n_user_features, deep=deep_width
    )


def make_lifts(inputs: Inputs, settings: BlockSettings) -> DataFrame:
    """Each user's lifts of item attributes; worth persisting, since it is read to fit and to assemble."""
    return user_lifts(inputs.interactions, inputs.item_vectors, max(inputs.n_item_features, 1), settings.content_prior)


def make_targets(inputs: Inputs, settings: BlockSettings, layout: Layout) -> DataFrame:
    """What events taught about each item; worth persisting, since it is read to fit and to assemble."""
    counts = attribute_counts(inputs.interactions, inputs.user_profiles)
    odds = log_odds(counts, inputs.n_user_features, settings.demographic_prior)
    return item_targets(inputs.item_vectors, inputs.item_factors, odds, layout)


def make_blocks(
    inputs: Inputs, settings: BlockSettings, layout: Layout, lifts: DataFrame, targets: DataFrame, seed: int
) -> tuple[DataFrame, DataFrame]:
    """USER_BLOCKS and ITEM_BLOCKS. Fitting runs Spark jobs; the tables themselves are lazy."""
    content = _content_map(inputs, settings, layout, lifts, seed)
    known_users = inputs.user_profiles.join(inputs.user_factors, on="user_id", how="inner")
    factors = fit_map(
        known_users.withColumnRenamed("factors", "target"),
        inputs.n_user_features,
        layout.factors,
        settings.ridge_users,
        settings.partials,
    )
    predicted = fit_map(targets, inputs.n_item_features, target_width(layout), settings.ridge_items, settings.partials)
    users = user_rows(inputs.user_profiles, inputs.user_factors, lifts, inputs.tower_vectors)
    items = item_rows(inputs.item_vectors, targets, inputs.tower_vectors)
    return (
        user_blocks(users, UserModel(layout, factors, content, inputs.n_user_features)),
        item_blocks(items, ItemModel(layout, predicted, content)),
    )


def _content_map(inputs: Inputs, settings: BlockSettings, layout: Layout, lifts: DataFrame, seed: int) -> ContentMap:
    n_features = max(inputs.n_item_features, 1)
    if not layout.content:
        return ContentMap.empty(n_features)
    return fit_content(
        lifts,
        inputs.item_vectors,
        n_features,
        width=layout.content,
        sample_users=settings.content_sample_users,
        partials=settings.partials,
        seed=seed,
    )

"""Fit what the blocks need and hand out the block tables; the recipe of this room, top to bottom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.blocks.assemble import (
    ItemModel,
    UserModel,
    item_blocks,
    item_rows,
    item_targets,
    part_of_target,
    user_blocks,
    user_rows,
)
from recsys_spark.blocks.boosts import behaviour_boosts
from recsys_spark.blocks.content import content_boosts, user_lifts
from recsys_spark.blocks.demographic import attribute_counts, background, choose_prior, log_odds
from recsys_spark.blocks.layout import Layout
from recsys_spark.blocks.maps import AttributeMap, fit_map, item_penalty
from recsys_spark.blocks.moment import calendar, item_moments, user_moments
from recsys_spark.blocks.repeat import repeat_boosts
from recsys_spark.blocks.svd import ITEMS_PER_TASK, USERS_PER_TASK, fit_svd, user_vectors
from recsys_spark.config.settings import BlockSettings, Scorer
from recsys_spark.kernels.event_columns import item_group
from recsys_spark.kernels.grid import Grid
from recsys_spark.kernels.keep import Keep


@dataclass(frozen=True)
class Inputs:
    """The tables that the blocks are made of; ``events`` are those of the fold.

    ``paired`` [item features] marks the features that are pairs of attribute values.
    """

    events: DataFrame
    interactions: DataFrame
    user_profiles: DataFrame
    item_vectors: DataFrame
    user_factors: DataFrame
    item_factors: DataFrame
    tower_vectors: DataFrame
    n_user_features: int
    paired: np.ndarray


def make_layout(inputs: Inputs, settings: BlockSettings, *, rank: int, deep_width: int) -> Layout:
    """Which blocks there are; a block without anything to stand on (no attributes, no towers) has no place."""
    demographic = inputs.n_user_features + 1 if inputs.n_user_features else 0
    return Layout.of(
        settings.enabled,
        factors=rank,
        svd=settings.svd_rank,
        demographic=demographic,
        moment=settings.moment_buckets,
        deep=deep_width,
    )


def make_targets(inputs: Inputs, settings: BlockSettings, layout: Layout, keep: Keep) -> DataFrame:
    """What events taught about each item, kept, as it is read to fit and to assemble. Runs Spark jobs."""
    taken = inputs.item_vectors.where("n_users > 0")
    svd, odds = (_nothing(taken, "item_id", name) for name in ("svd", "log_odds"))
    if layout.svd:
        svd = fit_svd(inputs.interactions, taken, rank=layout.svd, grid=_svd_grid(inputs), keep=keep)
    if layout.demographic:
        odds = _odds(inputs, settings)
    return keep(item_targets(inputs.item_vectors, inputs.item_factors, svd, odds, layout))


def make_blocks(
    inputs: Inputs, settings: BlockSettings, layout: Layout, targets: DataFrame, keep: Keep
) -> tuple[DataFrame, DataFrame]:
    """USER_BLOCKS and ITEM_BLOCKS. Fitting runs Spark jobs; the tables themselves are lazy, and read what is kept."""
    user_svd = _user_svd(inputs, targets, layout, keep)
    factors = _user_map(inputs, settings, inputs.user_factors.select("user_id", "factors"), layout.factors)
    svd = _user_map(inputs, settings, user_svd, layout.svd)
    n_known = inputs.item_vectors.where("n_users > 0").count()
    penalty = item_penalty(inputs.paired, layout.predicted, n_known, settings)
    predicted = fit_map(targets, "item_id", penalty.shape[1], penalty, settings.map_sample)
    # A calendar of nothing costs nothing.
    met = inputs.interactions if layout.moment else inputs.interactions.limit(0)
    when = calendar(met, settings.moment_buckets, settings.moment_days)
    of_users, of_items = user_moments(met, when), item_moments(met, when)
    users = user_rows(inputs.user_profiles, inputs.user_factors, user_svd, of_users, inputs.tower_vectors)
    items = item_rows(inputs.item_vectors, targets, of_items, inputs.tower_vectors)
    return (
        user_blocks(users, UserModel(layout, factors, svd, inputs.n_user_features)),
        item_blocks(items, ItemModel(layout, predicted, len(inputs.paired))),
    )


def make_boosts(inputs: Inputs, settings: BlockSettings, grid: Grid, *, seed: int) -> DataFrame:
    """BOOSTS of the enabled sparse scorers. Fitting runs Spark jobs; the table itself is lazy."""
    found = behaviour_boosts(
        inputs.interactions,
        enabled=settings.enabled,
        per_user=settings.boosts_per_user,
        neighbours=settings.neighbours,
        history=settings.neighbour_history,
        shrinkage=settings.neighbour_shrinkage,
        item_users=settings.neighbour_item_users,
    )
    if "repeat" in settings.enabled:
        found = found.unionByName(
            repeat_boosts(
                inputs.events,
                horizon_days=settings.repeat_days,
                sample_pairs=settings.repeat_sample,
                per_user=settings.boosts_per_user,
                seed=seed,
            )
        )
    masks: dict[Scorer, np.ndarray] = {"content": ~inputs.paired, "pairs": inputs.paired}
    asked: dict[str, np.ndarray] = {
        scorer: mask for scorer, mask in masks.items() if scorer in settings.enabled and mask.any()
    }
    if not asked:
        return found
    lifts = user_lifts(inputs.interactions, inputs.item_vectors, len(inputs.paired), settings.content_prior)
    items = inputs.item_vectors.select("item_id", item_group(), "feature_idx")
    by_content = content_boosts(lifts, items, asked, settings.content_per_user, grid)
    return found.unionByName(by_content.withColumn("because_item_id", F.lit(None).cast("string")))


def _odds(inputs: Inputs, settings: BlockSettings) -> DataFrame:
    everyone = background(inputs.interactions, inputs.user_profiles, inputs.n_user_features)
    prior = settings.demographic_prior or choose_prior(inputs.interactions, inputs.user_profiles, everyone)
    return log_odds(attribute_counts(inputs.interactions, inputs.user_profiles), everyone, prior)


def _user_map(inputs: Inputs, settings: BlockSettings, vectors: DataFrame, width: int) -> AttributeMap:
    """What user attributes predict of vectors: user_id and the vector."""
    known = inputs.user_profiles.join(vectors.toDF("user_id", "target"), on="user_id", how="inner")
    penalty = np.full((inputs.n_user_features, width), settings.ridge_users)
    return fit_map(known, "user_id", width, penalty, settings.map_sample)


def _user_svd(inputs: Inputs, targets: DataFrame, layout: Layout, keep: Keep) -> DataFrame:
    """user_id and svd, kept. The items' side comes out of the targets."""
    if not layout.svd:
        return _nothing(inputs.user_profiles, "user_id", "svd")
    of_items = targets.select("item_id", part_of_target("svd", layout).alias("svd"))
    return keep(user_vectors(inputs.interactions, of_items, rank=layout.svd, grid=_svd_grid(inputs)))


def _svd_grid(inputs: Inputs) -> Grid:
    sizes = inputs.user_profiles.count(), inputs.item_vectors.count()
    parallelism = inputs.interactions.sparkSession.sparkContext.defaultParallelism
    return Grid.of(*sizes, USERS_PER_TASK, ITEMS_PER_TASK, parallelism)


def _nothing(frame: DataFrame, key: str, name: str) -> DataFrame:
    """No rows of ``key`` and an array<float>: Spark leaves out a join with it."""
    return frame.select(key, F.array().cast("array<float>").alias(name)).limit(0)

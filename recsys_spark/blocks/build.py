"""The recipe of this room: what is learned of everyone, and what is made with it of any users and items.

Functions named learn and make_calendar need everyone; a full refresh calls them. All others describe the
users and items that they are given, each from its own rows and from what was learned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.blocks.assemble import (
    ItemModel,
    UserModel,
    item_blocks,
    item_rows,
    item_targets,
    user_blocks,
    user_rows,
)
from recsys_spark.blocks.boosts import behaviour_boosts
from recsys_spark.blocks.content import content_boosts, user_lifts
from recsys_spark.blocks.demographic import attribute_counts, background, choose_prior, log_odds
from recsys_spark.blocks.ease import regression
from recsys_spark.blocks.layout import Layout
from recsys_spark.blocks.learned import Learned, Maps, calendar_table, maps_table, no_rows, weights_table
from recsys_spark.blocks.maps import AttributeMap, fit_map, item_penalty
from recsys_spark.blocks.moment import Calendar, calendar, item_moments, user_moments
from recsys_spark.blocks.neighbours import similarities
from recsys_spark.blocks.repeat import RepeatModel, learn_repeat, repeat_boosts
from recsys_spark.blocks.spread import block_spreads
from recsys_spark.blocks.svd import ITEMS_PER_TASK, USERS_PER_TASK, fit_svd, user_vectors
from recsys_spark.blocks.taste import Taste, learn_taste
from recsys_spark.config.learning import BlockSettings, Scorer
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.errors import SettingsError
from recsys_spark.kernels.draw import drawn
from recsys_spark.kernels.event_columns import item_group
from recsys_spark.kernels.grid import Grid
from recsys_spark.kernels.keep import Keep

STANDS_ON = {"demographic": "attributes of users", "deep": "coldstart.enabled"}
"""Blocks that have no place without."""
SPREAD_USERS = 20_000
"""Users whose scores say how far apart those of a block lie."""


@dataclass(frozen=True)
class Inputs:
    """The tables that the blocks are made of; ``events`` are those of the fold.

    To describe some users, take their rows alone of events, interactions, user_profiles and user_factors; to describe
    some items, of item_vectors.

    ``attributes`` [item features] names the attribute, or the pair of attributes, that each feature is a value of;
    ``paired`` [item features] marks the pairs.
    """

    events: DataFrame
    interactions: DataFrame
    user_profiles: DataFrame
    item_vectors: DataFrame
    user_factors: DataFrame
    item_factors: DataFrame
    tower_vectors: DataFrame
    n_user_features: int
    attributes: np.ndarray
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


def check_width(layout: Layout, settings: BlockSettings) -> None:
    """Refuse a layout without any block: there would be no vectors to search.

    Raises:
        SettingsError: no enabled block has anything to stand on.
    """
    if not layout.width:
        lacking = ", ".join(f"{block} needs {what}" for block, what in STANDS_ON.items() if block in settings.enabled)
        raise SettingsError(
            f"blocks.enabled: no scorer has a place in the scoring vectors: {lacking}; "
            "add one that learns from events, such as popularity"
        )


def learn_items(
    inputs: Inputs, settings: BlockSettings, layout: Layout, when: Calendar, keep: Keep
) -> tuple[AttributeMap, DataFrame]:
    """What attributes predict of an item's blocks, and ITEM_BLOCKS, which reads what is kept.

    Runs Spark jobs, and fits on the driver; the table is lazy.
    """
    targets = _targets(inputs, settings, layout, keep)
    n_known = inputs.item_vectors.where("n_users > 0").count()
    penalty = item_penalty(inputs.paired, layout.predicted, n_known, settings)
    predicted = fit_map(targets, "item_id", penalty.shape[1], penalty, settings.map_sample)
    moments = item_moments(inputs.interactions, when) if layout.moment else None
    return predicted, make_item_blocks(inputs, layout, predicted, targets, moments)


def make_item_blocks(
    inputs: Inputs, layout: Layout, predicted: AttributeMap, targets: DataFrame | None, moments: DataFrame | None
) -> DataFrame:
    """ITEM_BLOCKS of the items of ``inputs``; without targets and moments, of items without events. Lazy."""
    items = inputs.item_vectors
    targets = _nothing(items, "item_id", "target") if targets is None else targets
    moments = _nothing(items, "item_id", "moment") if moments is None else moments
    rows = item_rows(items, targets, moments, inputs.tower_vectors)
    return item_blocks(rows, ItemModel(layout, predicted, len(inputs.paired)))


def make_user_svd(inputs: Inputs, item_blocks: DataFrame, layout: Layout) -> DataFrame:
    """user_id and svd of the users of ``inputs``, from the items with events, whose blocks hold their svd."""
    if not layout.svd:
        return _nothing(inputs.user_profiles, "user_id", "svd")
    start = next(start for name, start, _ in layout.rows if name == "svd")
    vector = F.slice("vector", start + 1, layout.svd).alias("svd")
    of_items = item_blocks.where("item_group = 'established'").select("item_id", vector)
    return user_vectors(inputs.interactions, of_items, rank=layout.svd, grid=_svd_grid(inputs))


def make_calendar(inputs: Inputs, settings: BlockSettings, layout: Layout) -> Calendar:
    """The buckets of the scorer moment. Runs Spark jobs."""
    # A calendar of nothing costs nothing.
    met = inputs.interactions if layout.moment else inputs.interactions.limit(0)
    return calendar(met, settings.moment_buckets, settings.moment_days)


def make_user_blocks(inputs: Inputs, layout: Layout, learned: Learned, user_svd: DataFrame) -> DataFrame:
    """USER_BLOCKS of the users of ``inputs``, lazy."""
    met = inputs.interactions if layout.moment else inputs.interactions.limit(0)
    when = user_moments(met, learned.edges)
    rows = user_rows(inputs.user_profiles, inputs.user_factors, user_svd, when, inputs.tower_vectors)
    maps = learned.maps
    return user_blocks(
        rows, UserModel(layout, maps.user_factors, maps.user_svd, inputs.n_user_features, learned.spreads)
    )


def learn_spreads(
    inputs: Inputs, layout: Layout, learned: Learned, user_svd: DataFrame, item_blocks: DataFrame
) -> dict[str, float]:
    """What each block of a user's vector is to be divided by, from known users and items. Runs Spark jobs.

    Args:
        inputs: of everyone.
        layout: of the vectors.
        learned: without spreads.
        user_svd: from :func:`make_user_svd`.
        item_blocks: the table.
    """
    some = drawn(inputs.user_profiles.where("n_events > 0"), "user_id", SPREAD_USERS)
    users = make_user_blocks(replace(inputs, user_profiles=some), layout, learned, user_svd)
    return block_spreads(users, item_blocks.where("item_group = 'established'"), layout)


def learn_tables(
    inputs: Inputs,
    settings: BlockSettings,
    layout: Layout,
    predicted: AttributeMap,
    when: Calendar,
    user_svd: DataFrame,
    *,
    seed: int,
) -> dict[str, DataFrame]:
    """The tables of ``learned.TABLES``, some of them lazy. Runs Spark jobs, and fits on the driver.

    Args:
        inputs: of everyone.
        settings: which scorers there are, and their sizes.
        layout: of the vectors.
        predicted: from :func:`learn_items`.
        when: from :func:`make_calendar`.
        user_svd: from :func:`make_user_svd`.
        seed: of the repeat model.
    """
    spark, repeat = inputs.interactions.sparkSession, _repeat(inputs, settings, seed)
    factors = _user_map(inputs, settings, inputs.user_factors.select("user_id", "factors"), layout.factors)
    svd = _user_map(inputs, settings, user_svd, layout.svd)
    return {
        "attribute_maps": maps_table(spark, Maps(predicted, factors, svd)),
        "attribute_weights": weights_table(spark, _taste(inputs, settings)),
        "calendar": calendar_table(spark, when, repeat.now),
        "item_neighbours": _neighbours(inputs, settings),
        "repeat_trees": spark.createDataFrame(repeat.trees, spark_schema(table("repeat_trees"))),
        "repeat_items": repeat.items,
    }


def make_boosts(inputs: Inputs, settings: BlockSettings, learned: Learned, grid: Grid) -> DataFrame:
    """BOOSTS of the users of ``inputs`` by the enabled sparse scorers, lazy; some counts run Spark jobs."""
    found = behaviour_boosts(
        inputs.interactions,
        learned.neighbours,
        enabled=settings.enabled,
        per_user=settings.boosts_per_user,
        neighbours=settings.neighbours,
        history=settings.neighbour_history,
        item_users=settings.neighbour_item_users,
        grid=grid,
    )
    if "repeat" in settings.enabled:
        repeated = repeat_boosts(
            inputs.events,
            learned.repeat_trees,
            learned.repeat_items,
            learned.repeat_now,
            per_user=settings.boosts_per_user,
        )
        found = found.unionByName(repeated)
    by_content = make_content_boosts(inputs, settings, learned.taste, inputs.item_vectors, grid)
    return found if by_content is None else found.unionByName(by_content)


def make_content_boosts(
    inputs: Inputs, settings: BlockSettings, taste: Taste, among: DataFrame, grid: Grid
) -> DataFrame | None:
    """BOOSTS of the users of ``inputs`` by what items are, among some rows of item_vectors; None if no scorer asks."""
    asked = _content_scorers(inputs, settings)
    if not asked:
        return None
    told = taste.by_feature(inputs.attributes)
    lifts = user_lifts(inputs.interactions, inputs.item_vectors, told, taste.prior)
    items = among.select("item_id", item_group(), "feature_idx")
    return content_boosts(lifts, items, asked, settings.content_per_user, grid)


def _content_scorers(inputs: Inputs, settings: BlockSettings) -> dict[str, np.ndarray]:
    """The enabled scorers by what items are, and the mask of the features that each sums over."""
    masks: dict[Scorer, np.ndarray] = {"content": ~inputs.paired, "pairs": inputs.paired}
    return {scorer: mask for scorer, mask in masks.items() if scorer in settings.enabled and mask.any()}


def _taste(inputs: Inputs, settings: BlockSettings) -> Taste | None:
    """What was learned of lifts; nothing where no scorer asks."""
    if not _content_scorers(inputs, settings):
        return None
    return learn_taste(inputs.interactions, inputs.item_vectors, inputs.attributes, settings.content_prior)


def _targets(inputs: Inputs, settings: BlockSettings, layout: Layout, keep: Keep) -> DataFrame:
    """What events taught about each item, kept, as it is read to fit and to assemble. Runs Spark jobs."""
    taken = inputs.item_vectors.where("n_users > 0")
    svd, odds = (_nothing(taken, "item_id", name) for name in ("svd", "log_odds"))
    if layout.svd:
        svd = fit_svd(inputs.interactions, taken, rank=layout.svd, grid=_svd_grid(inputs), keep=keep)
    if layout.demographic:
        odds = _odds(inputs, settings)
    return keep(item_targets(inputs.item_vectors, inputs.item_factors, svd, odds, layout))


def _odds(inputs: Inputs, settings: BlockSettings) -> DataFrame:
    everyone = background(inputs.interactions, inputs.user_profiles, inputs.n_user_features)
    prior = settings.demographic_prior or choose_prior(inputs.interactions, inputs.user_profiles, everyone)
    return log_odds(attribute_counts(inputs.interactions, inputs.user_profiles), everyone, prior)


def _neighbours(inputs: Inputs, settings: BlockSettings) -> DataFrame:
    """ITEM_NEIGHBOURS of the enabled scorers."""
    found = no_rows(inputs.interactions, "item_neighbours")
    if "neighbours" in settings.enabled:
        similar = similarities(
            inputs.interactions,
            neighbours=settings.neighbours,
            history=settings.neighbour_history,
            shrinkage=settings.neighbour_shrinkage,
        )
        found = found.unionByName(similar)
    if "ease" in settings.enabled:
        regressed = regression(
            inputs.interactions,
            items=settings.ease_items,
            users=settings.ease_users,
            history=settings.ease_history,
            penalty=settings.ease_penalty,
            neighbours=settings.ease_neighbours,
        )
        found = found.unionByName(regressed)
    return found


def _repeat(inputs: Inputs, settings: BlockSettings, seed: int) -> RepeatModel:
    if "repeat" not in settings.enabled:
        return RepeatModel([], 0.0, no_rows(inputs.events, "repeat_items"))
    return learn_repeat(
        inputs.events, horizon_days=settings.repeat_days, sample_pairs=settings.repeat_sample, seed=seed
    )


def _user_map(inputs: Inputs, settings: BlockSettings, vectors: DataFrame, width: int) -> AttributeMap:
    """What user attributes predict of vectors: user_id and the vector."""
    known = inputs.user_profiles.join(vectors.toDF("user_id", "target"), on="user_id", how="inner")
    penalty = np.full((inputs.n_user_features, width), settings.ridge_users)
    return fit_map(known, "user_id", width, penalty, settings.map_sample)


def _svd_grid(inputs: Inputs) -> Grid:
    sizes = inputs.user_profiles.count(), inputs.item_vectors.count()
    parallelism = inputs.interactions.sparkSession.sparkContext.defaultParallelism
    return Grid.of(*sizes, USERS_PER_TASK, ITEMS_PER_TASK, parallelism)


def _nothing(frame: DataFrame, key: str, name: str) -> DataFrame:
    """No rows of ``key`` and an array<float>: Spark leaves out a join with it."""
    return frame.select(key, F.array().cast("array<float>").alias(name)).limit(0)

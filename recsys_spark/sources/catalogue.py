"""The made-up shop's items. Each property is a function of the item's number: events know it without a join."""

from __future__ import annotations

from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.config.source import SyntheticSource
from recsys_spark.sources.dice import exponential, index_of, one_of, uniform

END = datetime(2024, 7, 1, tzinfo=UTC)
"""All events of the shop lie before this time."""

DEPARTMENTS = ("toys", "fashion", "electronics", "garden", "wellness")
BRANDS = ("Acorn", "Birch", "Cedar", "Dune", "Ember", "Fjord", "Grove", "Harbor", "Iris", "Juno")
SECTIONS = ("basics", "premium", "travel", "gifts")
FINISHES = ("classic", "modern")
COLOURS = ("red", "blue", "green", "black", "white", "yellow")
MATERIALS = ("cotton", "steel", "oak", "glass", "paper")
NOUNS = ("set", "kit", "lamp", "bag", "box", "bottle", "frame", "mat")
RECENT_DAYS = 14
"""Items without events were launched within these days before END."""


def department_of(item: Column) -> Column:
    """Department number; departments take turns, so that an item of a wanted one can be computed."""
    return F.pmod(item, F.lit(len(DEPARTMENTS)))


def brand_of(item: Column, seed: int) -> Column:
    """Brand number of an item."""
    return index_of(len(BRANDS), uniform(seed, "brand", item))


def is_new(item: Column, source: SyntheticSource) -> Column:
    """Whether the item has no event yet."""
    return uniform(source.seed, "new item", item) < source.new_item_share


def age_days_of(item: Column, source: SyntheticSource) -> Column:
    """Days from the launch to END: within RECENT_DAYS for a new item, up to twice the shop's days for the others."""
    draw = uniform(source.seed, "launch", item)
    return F.when(is_new(item, source), draw * RECENT_DAYS).otherwise(RECENT_DAYS + draw * 2 * source.days)


def price_of(item: Column, seed: int) -> Column:
    """Catalogue price."""
    return F.round(4.0 + exponential(25.0, uniform(seed, "price", item)), 2)


def item_id_of(item: Column) -> Column:
    """External id from the number."""
    return F.format_string("item-%07d", item)


def make_items(spark: SparkSession, source: SyntheticSource) -> DataFrame:
    """The contract's item columns, one row an item number."""
    item, seed = F.col("id"), source.seed
    department = F.element_at(F.array(*[F.lit(d) for d in DEPARTMENTS]), (department_of(item) + 1).cast("int"))
    brand = F.element_at(F.array(*[F.lit(b) for b in BRANDS]), brand_of(item, seed) + 1)
    section, colour = (one_of(v, uniform(seed, p, item)) for v, p in ((SECTIONS, "section"), (COLOURS, "colour")))
    noun = one_of(NOUNS, uniform(seed, "noun", item))
    launch = F.timestamp_seconds(F.lit(END.timestamp()) - age_days_of(item, source) * 86_400.0)
    return spark.range(source.items).select(
        item_id_of(item).alias("item_id"),
        F.concat_ws(" ", brand, colour, noun).alias("title"),
        F.concat_ws(
            " ", F.lit("A"), colour, noun, F.lit("for"), department, F.lit("from our"), section, F.lit("range")
        ).alias("description"),
        brand.alias("brand"),
        _path(item, seed, department, section).alias("category_path"),
        price_of(item, seed).alias("price"),
        launch.alias("launch_ts"),
        F.lit(True).alias("available"),
        F.create_map(F.lit("colour"), F.array(colour), F.lit("material"), _materials(item, seed)).alias("attributes"),
        F.create_map(F.lit("weight_kg"), F.round(exponential(2.0, uniform(seed, "weight", item)), 3)).alias("measures"),
    )


def _path(item: Column, seed: int, department: Column, section: Column) -> Column:
    """Two levels, and for half of the departments a third."""
    section = F.concat_ws(" ", department, section)
    finish = F.concat_ws(" ", section, one_of(FINISHES, uniform(seed, "finish", item)))
    deep = department_of(item) % 2 == 0
    return F.when(deep, F.array(department, section, finish)).otherwise(F.array(department, section))


def _materials(item: Column, seed: int) -> Column:
    pair = (one_of(MATERIALS, uniform(seed, purpose, item)) for purpose in ("material", "second material"))
    return F.array_distinct(F.array(*pair))

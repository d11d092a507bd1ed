"""The features of items in words: ``name=value`` strings, and crosses of two of them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.encode import attribute_values, with_measure_values

MAX_CROSSED_ATTRIBUTES = 8
"""Single-valued attributes that are crossed with the category, the first by name: bounds the crosses of one item."""


def described(items: DataFrame, *, crosses: bool, price_bins: int) -> DataFrame:
    """item_id and all its features: brand, categories, attributes, bins of price and measures, and their crosses."""
    price = F.when(F.col("price").isNotNull(), F.create_map(F.lit("price"), F.col("price")))
    others = F.map_filter("measures", lambda name, _: name != "price")
    measures = F.map_concat(others, F.coalesce(price, F.create_map().cast("map<string,double>")))
    measured = with_measure_values(items.withColumn("_measures", measures), "_measures", "bins", price_bins)
    plain = F.concat(_brand(), _categories("category_path"), attribute_values("attributes"), F.col("bins"))
    return measured.select("item_id", "attributes", plain.alias("plain"), *_crossable()).select(
        "item_id", (F.array_distinct(F.concat("plain", _crosses())) if crosses else F.col("plain")).alias("features")
    )


def _brand() -> Column:
    known = F.filter(F.array("brand"), lambda brand: brand.isNotNull() & (F.trim(brand) != ""))
    return F.transform(known, lambda brand: F.concat(F.lit("brand="), brand))


def _categories(path: str) -> Column:
    """category_1=A, category_2=A/B, …: each level names its whole path, as names repeat below different parents."""
    return F.transform(
        path,
        lambda _, level: F.concat(
            F.lit("category_"), (level + 1).cast("string"), F.lit("="), F.array_join(F.slice(path, 1, level + 1), "/")
        ),
    )


def _crossable() -> list[Column]:
    price = F.filter("bins", lambda feature: feature.startswith("price="))
    return [
        F.try_element_at(_brand(), F.lit(1)).alias("brand"),
        F.try_element_at(_categories("category_path"), F.lit(-1)).alias("category"),
        F.try_element_at(price, F.lit(1)).alias("price"),
    ]


def _crosses() -> Column:
    """Brand × category, either × price, category × each single-valued attribute; pairs with a missing part drop out."""
    single = F.map_filter("attributes", lambda _, values: F.size(values) == 1)
    values = F.slice(F.array_sort(attribute_values(single)), 1, MAX_CROSSED_ATTRIBUTES)
    brand, category, price = F.col("brand"), F.col("category"), F.col("price")
    pairs = F.concat(
        F.array(_cross(brand, category), _cross(brand, price), _cross(category, price)),
        F.transform(values, lambda value: _cross(category, value)),
    )
    return F.filter(pairs, lambda pair: pair.isNotNull())


def _cross(left: Column, right: Column) -> Column:
    return F.concat(left, F.lit(" & "), right)

"""The features of items in words: ``name=value`` strings, and pairs of two of them."""

from __future__ import annotations

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.encode import attribute_values, encoding, with_measure_values, with_missing_values
from recsys_spark.kernels.numbered import id_encoding, with_id_values

MAX_PAIRED_ATTRIBUTES = 8
"""Single-valued attributes that are paired with the category, the first by name: bounds the pairs of one item."""
PAIRED = " * "
"""Between the two features of a pair; a sign that values rarely hold, unlike & or x."""
ID_LEVELS = (8, 32, 128, 512)
"""How many bins the catalogue is cut into by the order of ids, from broad to fine."""


def item_encoding(items: DataFrame, *, price_bins: int, id_order: bool) -> DataFrame:
    """Bins of the measures, price, launch day and ids, and the usual attributes, after contract ``item_encoding``."""
    known = encoding(_measured(items), "_measures", "attributes", price_bins)
    return known.unionByName(id_encoding(items, "item_id", ID_LEVELS[-1])) if id_order else known


def described(items: DataFrame, item_encoding: DataFrame, *, pairs: bool) -> DataFrame:
    """item_id and its features: brand, categories, attributes, bins of measures and ids, what is missing, pairs."""
    measured = with_measure_values(_measured(items), "_measures", "bins", item_encoding)
    placed = with_id_values(measured, "item_id", "order", item_encoding, ID_LEVELS)
    whole = with_missing_values(placed, "attributes", "missing", item_encoding)
    binned = F.concat("bins", "order", "missing")
    plain = F.concat(_brand(), _categories("category_path"), attribute_values("attributes"), binned)
    # A brand may come as an attribute of that name as well.
    return whole.select("item_id", "attributes", "category_path", plain.alias("plain"), *_paired()).select(
        "item_id", F.array_distinct(F.concat("plain", _pairs()) if pairs else F.col("plain")).alias("features")
    )


def _measured(items: DataFrame) -> DataFrame:
    """Adds ``_measures``: the measures, the price and the day of launch."""
    own = {"price": F.col("price"), "launch_day": F.unix_date(F.to_date("launch_ts")).cast("double")}
    entries = [F.struct(F.lit(name).alias("name"), value.alias("value")) for name, value in own.items()]
    known = F.filter(F.array(*entries), lambda entry: entry["value"].isNotNull())
    others = F.map_filter("measures", lambda name, _: ~name.isin(*own))
    return items.withColumn("_measures", F.map_concat(others, F.map_from_entries(known)))


def attributes_of(item_features: DataFrame) -> np.ndarray:
    """The attribute, or pair of attributes, that each feature is a value of: [features] of str. Runs a Spark job."""
    rows = item_features.select("feature_idx", "feature").toArrow()
    found = np.full(rows.num_rows, "", object)
    for place, feature in zip(rows["feature_idx"].to_pylist(), rows["feature"].to_pylist(), strict=True):
        found[place] = _attribute(feature)
    return found


def paired_in(attributes: np.ndarray) -> np.ndarray:
    """Which of the attributes are pairs: [features] boolean."""
    return np.array([PAIRED in name for name in attributes], bool)


def _attribute(feature: str) -> str:
    names = [name for name, sign, _ in (part.partition("=") for part in feature.split(PAIRED)) if sign]
    # Only a value can hold the sign of a pair more than once; then the names are those at both ends.
    return PAIRED.join(names if len(names) < 3 else (names[0], names[-1]))


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


def _paired() -> list[Column]:
    price = F.filter("bins", lambda feature: feature.startswith("price="))
    return [
        F.try_element_at(_brand(), F.lit(1)).alias("brand"),
        F.try_element_at(_categories("category_path"), F.lit(-1)).alias("category"),
        F.try_element_at(price, F.lit(1)).alias("price"),
    ]


def _pairs() -> Column:
    """Brand × each category, either × price, category × each single-valued attribute; what lacks a part drops out."""
    single = F.map_filter("attributes", lambda _, values: F.size(values) == 1)
    values = F.slice(F.array_sort(attribute_values(single)), 1, MAX_PAIRED_ATTRIBUTES)
    brand, category, price = F.col("brand"), F.col("category"), F.col("price")
    found = F.concat(
        F.transform(_categories("category_path"), lambda level: _pair(brand, level)),
        F.array(_pair(brand, price), _pair(category, price)),
        F.transform(values, lambda value: _pair(category, value)),
    )
    return F.filter(found, lambda pair: pair.isNotNull())


def _pair(left: Column, right: Column) -> Column:
    return F.concat(left, F.lit(PAIRED), right)

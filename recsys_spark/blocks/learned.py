"""What the scorers learned of everyone together, as tables and as what they are applied with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from recsys_spark.blocks.maps import AttributeMap
from recsys_spark.blocks.moment import Calendar
from recsys_spark.blocks.taste import USUAL_PRIOR, Taste
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.kernels.arrow import list_column, matrix
from recsys_spark.kernels.together import together

TABLES = ("attribute_maps", "attribute_weights", "calendar", "item_neighbours", "repeat_trees", "repeat_items")


class Maps(NamedTuple):
    """What attributes predict of those without events; the fields are the targets of the table attribute_maps."""

    item_blocks: AttributeMap
    user_factors: AttributeMap
    user_svd: AttributeMap


@dataclass(frozen=True)
class Learned:
    """All that turns a user's own events, or a new item's attributes, into vectors and boosts.

    Attributes:
        maps: what attributes predict.
        taste: how much a user's lift of an attribute's value counts.
        edges: of the calendar's buckets, in days.
        repeat_trees: rows of REPEAT_TREES.
        repeat_now: of the repeat model, in seconds since 1970.
        repeat_items: REPEAT_ITEMS.
        neighbours: ITEM_NEIGHBOURS.
        spreads: what each block of a user's vector is divided by.
    """

    maps: Maps
    taste: Taste
    edges: tuple[float, ...]
    repeat_trees: list[tuple[Any, ...]]
    repeat_now: float
    repeat_items: DataFrame
    neighbours: DataFrame
    spreads: Mapping[str, float]

    @classmethod
    def read(cls, tables: Mapping[str, DataFrame], spreads: Mapping[str, float]) -> Learned:
        """From the tables of TABLES, and of the table blocks; what is bounded by settings comes to the driver."""
        rows = [tables[name].collect for name in ("attribute_weights", "calendar", "repeat_trees")]
        reads: list[Callable[[], Any]] = [tables["attribute_maps"].toArrow, *rows]
        maps, weights, times, trees = together(tables["calendar"].sparkSession, reads)
        times.sort(key=lambda row: (row["name"], row["place"]))
        return cls(
            maps=_maps(maps),
            taste=_taste(weights),
            edges=tuple(row["value"] for row in times if row["name"] == "moment"),
            repeat_trees=[tuple(row) for row in trees],
            repeat_now=next((row["value"] for row in times if row["name"] == "repeat"), 0.0),
            repeat_items=tables["repeat_items"],
            neighbours=tables["item_neighbours"],
            spreads=spreads,
        )


def maps_table(spark: SparkSession, maps: Maps) -> DataFrame:
    """ATTRIBUTE_MAPS."""
    parts = [
        pa.table(
            {
                "target": pa.array([target] * len(found.weights), pa.string()),
                "feature_idx": pa.array(np.arange(len(found.weights)), pa.int32()),
                "weights": list_column(found.weights),
            }
        )
        for target, found in maps._asdict().items()
    ]
    return spark.createDataFrame(pa.concat_tables(parts)).select(*table("attribute_maps").columns)


def weights_table(spark: SparkSession, taste: Taste | None) -> DataFrame:
    """ATTRIBUTE_WEIGHTS."""
    rows = [(name, weight, taste.prior) for name, weight in sorted(taste.weights.items())] if taste else []
    return spark.createDataFrame(rows, spark_schema(table("attribute_weights")))


def calendar_table(spark: SparkSession, when: Calendar, repeat_now: float) -> DataFrame:
    """CALENDAR."""
    rows = [("moment", place, float(edge)) for place, edge in enumerate(when.edges)]
    return spark.createDataFrame([*rows, ("repeat", 0, float(repeat_now))], spark_schema(table("calendar")))


def _taste(rows: list[Row]) -> Taste:
    prior = rows[0]["prior"] if rows else USUAL_PRIOR
    return Taste(prior, {row["attribute"]: row["weight"] for row in rows})


def _maps(rows: pa.Table) -> Maps:
    return Maps(*[AttributeMap(_weights(rows.filter(pc.equal(rows["target"], name)))) for name in Maps._fields])


def _weights(rows: pa.Table) -> np.ndarray:
    """[features + 1, targets], in the order of the features."""
    ordered = rows.sort_by("feature_idx")
    lengths = pc.list_value_length(ordered["weights"])
    if not rows.num_rows or not pc.max(lengths).as_py():
        return np.zeros((max(rows.num_rows, 1), 0), np.float32)
    return matrix(ordered["weights"])


def no_rows(frame: DataFrame, name: str) -> DataFrame:
    """An empty frame of a table's contract."""
    fields = [F.lit(None).cast(field.type).alias(field.name) for field in table(name).fields]
    return frame.limit(0).select(*fields)

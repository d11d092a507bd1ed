"""Frames of a few literal rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import DataType, StructType


def local_frame(spark: SparkSession, rows: Sequence[Sequence[Any]], schema: StructType | str) -> DataFrame:
    """The rows as a relation that the driver holds.

    ``createDataFrame`` makes an RDD of a list, which a Python worker reads at each use, and whose size no plan knows.
    """
    struct = DataType.fromDDL(schema) if isinstance(schema, str) else schema
    fields = to_arrow_schema(struct)
    columns = [pa.array([_entries(row[n]) for row in rows], field.type) for n, field in enumerate(fields)]
    for field, column in zip(struct.fields, columns, strict=True):
        assert field.nullable or not column.null_count, f"{field.name} must not be null"
    return spark.createDataFrame(pa.Table.from_arrays(columns, schema=fields), struct)


def _entries(value: Any) -> Any:
    """What Arrow takes for a map is a list of its entries."""
    return list(value.items()) if isinstance(value, dict) else value


def boost_lists(pairs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of BOOSTS from pairs, each with user_id, item_id, scorer, perhaps item_group, value and because_item_id."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for pair in pairs:
        key = (pair["user_id"], pair["scorer"], pair.get("item_group", "any"))
        lists = {"item_ids": [], "scores": [], "because_item_ids": []}
        row = found.setdefault(key, dict(zip(("user_id", "scorer", "item_group"), key, strict=True)) | lists)
        row["item_ids"].append(pair["item_id"])
        row["scores"].append(pair.get("value", 0.0))
        if "because_item_id" in pair:
            row["because_item_ids"].append(pair["because_item_id"])
    return list(found.values())


def boost_pairs(found: Iterable[Row]) -> list[Row]:
    """The pairs of rows of BOOSTS, with because_item_id None where the scorer names no items."""
    of_pair = Row("user_id", "scorer", "item_group", "item_id", "value", "because_item_id")
    pairs = []
    for row in found:
        because = row.because_item_ids or [None] * len(row.item_ids)
        places = zip(row.item_ids, row.scores, because, strict=True)
        pairs += [of_pair(row.user_id, row.scorer, row.item_group, *place) for place in places]
    return pairs

"""Frames of a few literal rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
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

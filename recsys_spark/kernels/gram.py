"""Y'Y of vectors that lie in a column, whatever their number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys_spark.kernels.arrow import list_column, matrix


def gram(rows: DataFrame, column: str, width: int) -> np.ndarray:
    """Y'Y [width, width] of a column of vectors; runs a Spark job that returns one matrix a partition.

    Parts arrive in any order, and their sum depends on it in the last digits.
    """
    parts = rows.select(column).mapInArrow(partial(_of_partition, width=width), "gram array<double>").toArrow()
    return matrix(parts["gram"], np.float64).reshape(-1, width, width).sum(axis=0)


def _of_partition(batches: Iterator[pa.RecordBatch], width: int) -> Iterator[pa.RecordBatch]:
    total = np.zeros((width, width))
    for batch in batches:
        rows = matrix(batch.column(0), np.float64).reshape(-1, width)
        total += rows.T @ rows
    yield pa.RecordBatch.from_arrays([list_column(total.reshape(1, -1), np.float64)], names=["gram"])

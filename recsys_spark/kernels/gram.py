"""Y'Y of vectors that lie in a column, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys_spark.kernels.arrow import list_column, matrix

LINES = "place int, line array<double>"
"""Rows of a matrix, each with its place."""
DIGITS = 10
"""Decimals of a Gram matrix relative to its scale; below them it depends on the order of rows."""


def gram(rows: DataFrame, column: str, width: int) -> np.ndarray:
    """Y'Y [width, width] of a column of vectors; runs a Spark job that returns one matrix, whatever the partitions.

    Parts arrive in any order, and their sum depends on it in the last digits.
    """
    parts = rows.select(column).mapInArrow(partial(_of_partition, width=width), LINES)
    # Lines by their place: no task adds up more than its share, and few lines lie in one task (adaptive execution).
    found = parts.repartition("place").mapInArrow(_summed, LINES).toArrow()
    total = np.zeros((width, width))
    total[found["place"].to_numpy()] = matrix(found["line"], np.float64).reshape(-1, width)
    return total


def rounded_gram(gram: np.ndarray) -> np.ndarray:
    """The same for every order in which its parts were added up, but for rare ties.

    Args:
        gram: Y'Y [width, width].
    """
    # A power of two as scale, so that dividing by it loses no digit.
    exponent = np.frexp(gram.diagonal().max(initial=0.0))[1]
    return np.ldexp(np.round(np.ldexp(gram, -exponent), DIGITS), exponent)


def _of_partition(batches: Iterator[pa.RecordBatch], width: int) -> Iterator[pa.RecordBatch]:
    total, empty = np.zeros((width, width)), True
    for batch in batches:
        if batch.num_rows:
            rows = matrix(batch.column(0), np.float64)
            total += rows.T @ rows
            empty = False
    if not empty:
        yield _lines(np.arange(width), total)


def _summed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One line of each place that comes."""
    sums: dict[int, np.ndarray] = {}
    for batch in batches:
        if batch.num_rows:
            lines = matrix(batch["line"], np.float64)
            for place, line in zip(batch["place"].to_pylist(), lines, strict=True):
                sums[place] = sums[place] + line if place in sums else line
    if sums:
        yield _lines(np.array(list(sums)), np.array(list(sums.values())))


def _lines(places: np.ndarray, lines: np.ndarray) -> pa.RecordBatch:
    columns = [pa.array(places, pa.int32()), list_column(lines, np.float64)]
    return pa.RecordBatch.from_arrays(columns, names=["place", "line"])

"""Normal equations of sparse rows, summed where the rows are; only feature-sized matrices reach the driver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.stat import Summarizer
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import list_column, matrix, sparse_rows


@dataclass(frozen=True)
class NormalEquations:
    """Sums over rows of x x' [width, width], x y' [width, targets], and the number of rows."""

    xx: np.ndarray
    xy: np.ndarray
    rows: int

    def ridge(self, regularization: float, free: int | None = None) -> np.ndarray:
        """Weights [width, targets] of ridge regression; ``free`` is a position that is not penalised (the intercept).

        Solves (X'X + r I) W = X'Y (Hoerl and Kennard 1970).
        """
        penalty = np.full(len(self.xx), regularization)
        if free is not None:
            penalty[free] = 1e-6
        return np.linalg.solve(self.xx + np.diag(penalty), self.xy)


def normal_equations(rows: DataFrame, width: int, targets: int, partials: int) -> NormalEquations:
    """Sum the normal equations of ``rows``: feature_idx, feature_value and, if ``targets``, target (array).

    At most ``partials`` tasks hold a [width, width + targets] matrix each. This runs a Spark job.
    """
    columns = ["feature_idx", "feature_value", *(["target"] if targets else [])]
    sums = (
        rows.select(*columns)
        .coalesce(partials)
        .mapInArrow(partial(_partial_sums, width=width, targets=targets), "row int, n bigint, sums array<float>")
        .groupBy("row")
        .agg(F.sum("n").alias("n"), Summarizer.sum(array_to_vector(F.col("sums"))).alias("sums"))
        .select("row", "n", vector_to_array(F.col("sums"), "float32").alias("sums"))
        .toArrow()
    )
    total = np.zeros((width, width + targets))
    if sums.num_rows:
        total[sums["row"].to_numpy()] = matrix(sums["sums"], np.float64)
    count = int(sums["n"].to_numpy().max()) if sums.num_rows else 0
    return NormalEquations(total[:, :width], total[:, width:], count)


def _partial_sums(batches: Iterator[pa.RecordBatch], width: int, targets: int) -> Iterator[pa.RecordBatch]:
    total, count = np.zeros((width, width + targets)), 0
    for batch in batches:
        if not batch.num_rows:
            continue
        indptr, indices, values = sparse_rows(batch["feature_idx"], batch["feature_value"])
        x = sp.csr_matrix((values, indices, indptr), shape=(batch.num_rows, width))
        total[:, :width] += (x.T @ x).toarray()
        if targets:
            total[:, width:] += x.T @ matrix(batch["target"], np.float64)
        count += batch.num_rows
    if count:
        yield pa.RecordBatch.from_arrays(
            [pa.array(np.arange(width, dtype=np.int32)), pa.array(np.full(width, count)), list_column(total)],
            names=["row", "n", "sums"],
        )

"""EASE: each item regressed on all others, from a bounded sample of users and the items most met.

Two items that everyone has met say the same of a third; a count of pairs adds both up, a regression shares the weight
between them, and a weight may be negative.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import scipy.linalg
import scipy.sparse as sp
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.blocks.sparse import strongest
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.kernels.arrow import ranked
from recsys_spark.kernels.best import largest
from recsys_spark.kernels.draw import drawn

DIGITS = 6
"""Decimals of a weight, well above what the order of a machine's sums changes."""


def regression(
    interactions: DataFrame, *, items: int, users: int, history: int, penalty: float, neighbours: int
) -> DataFrame:
    """ITEM_NEIGHBOURS of the scorer ease: the ``neighbours`` largest weights of each item, by their size.

    The weights of Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019: with X [users, items] of 0
    and 1 and P = (XᵀX + penalty · I)⁻¹, what an item i adds to another one j is -P[i, j] / P[j, j]. The inverse is made
    on the driver: 8 · items² bytes a copy, of which there are three, and about items³ operations. Runs Spark jobs.

    Args:
        interactions: the table.
        items: items at most, those with most users first; others have no weights.
        users: users at most, drawn by hashes of their ids.
        history: strongest items of a user that count.
        penalty: of the squared weights.
        neighbours: weights kept of each item.
    """
    counted = interactions.groupBy("item_id").agg(F.count("*").alias("n"))
    frequent = counted.orderBy(F.desc("n"), "item_id").limit(items).select("item_id")
    met = strongest(_sampled(interactions, users), history).join(F.broadcast(frequent), "item_id", "left_semi")
    pairs = met.select("user_id", "item_id").toArrow()
    item, ids = ranked(pairs["item_id"])
    rows, columns, values = _largest(weights(_matrix(pairs["user_id"], item), penalty), neighbours)
    found = pa.table(
        {
            "scorer": pa.array(["ease"] * len(rows), pa.string()),
            "item_id": ids.take(pa.array(rows)),
            "other_id": ids.take(pa.array(columns)),
            "value": pa.array(values),
        }
    )
    return interactions.sparkSession.createDataFrame(found, spark_schema(table("item_neighbours")))


def weights(met: sp.csr_matrix, penalty: float) -> np.ndarray:
    """What each item adds to each other one: [items, items], 0 on the diagonal; of the users' items [users, items]."""
    if not met.shape[1]:
        return np.zeros((0, 0))
    gram = (met.T @ met).toarray()
    gram[np.diag_indices_from(gram)] += penalty
    found = scipy.linalg.inv(gram, overwrite_a=True, check_finite=False)
    found /= -np.diag(found).copy()
    np.fill_diagonal(found, 0.0)
    return found


def _sampled(interactions: DataFrame, users: int) -> DataFrame:
    """The interactions of so many users."""
    some = drawn(interactions.select("user_id").distinct(), "user_id", users)
    return interactions.join(some, "user_id", "left_semi")


def _matrix(user_ids: pa.ChunkedArray, item: np.ndarray) -> sp.csr_matrix:
    """Pairs as a matrix [users, items] of 0 and 1."""
    user, _ = ranked(user_ids)
    shape = (user.max(initial=-1) + 1, item.max(initial=-1) + 1)
    return sp.csr_matrix((np.ones(len(item)), (user, item)), shape)


def _largest(found: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of each row's ``count`` of largest size, rounded in place, but for what is 0 then."""
    rounded = np.round(found, DIGITS, out=found)
    rows, columns = largest(np.abs(rounded), count)
    values = rounded[rows, columns]
    return rows[values != 0], columns[values != 0], values[values != 0]

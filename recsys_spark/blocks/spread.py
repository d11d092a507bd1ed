"""How far apart the scores of a block lie, so that weights learned on one fold mean the same on the other.

Each fold has factors, penalties and a deep model of its own, and the scores of one may be some times as large as those
of the other. Users' vectors are divided by this spread.
"""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.blocks.layout import Layout
from recsys_spark.kernels.bins import significant_values
from recsys_spark.kernels.gram import gram

DIGITS = 6
"""Digits of a spread; below them sums differ from run to run."""
LEAST = 1e-10
"""Share of a block's mean squared score below which a variance is rounding: the block tells no items apart."""


def block_spreads(users: DataFrame, items: DataFrame, layout: Layout) -> dict[str, float]:
    """By block, the root of the mean variance of a user's scores over the items; 1 where they are all alike.

    The mean of uᵀ C u, with C the covariance of the items' vectors, is the sum of the products of C and the mean of
    u uᵀ. Runs two Spark jobs.

    Args:
        users: rows with the column vector, of users whose blocks are not divided yet.
        items: the same of the items that they tell apart.
        layout: of the vectors.
    """
    of_users, of_items = (_second_moments(side, layout.width) for side in (users, items))
    centre = of_items[-1]
    variance = _of_blocks((of_items - np.outer(centre, centre)) * of_users, layout)
    square = _of_blocks(of_items * of_users, layout)
    told = variance > LEAST * square
    found = significant_values(np.sqrt(np.where(told, variance, 1.0)), DIGITS)
    return {name: float(spread) for (name, _, _), spread in zip(layout.rows, found, strict=True)}


def _of_blocks(products: np.ndarray, layout: Layout) -> np.ndarray:
    """Sums over each block's square of a matrix of the vectors' positions: [blocks]."""
    blocks = [slice(start, start + width) for _, start, width in layout.rows]
    return np.array([products[block, block].sum() for block in blocks])


def _second_moments(rows: DataFrame, width: int) -> np.ndarray:
    """The mean of v vᵀ over vectors v with a 1 behind them: [width + 1, width + 1]; zeros where there is none."""
    with_one = F.concat("vector", F.array(F.lit(1.0).cast("float")))
    found = gram(rows.select(with_one.alias("vector")), "vector", width + 1)
    return found / max(found[-1, -1], 1.0)

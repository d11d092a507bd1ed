"""Draws that depend on ids alone: the same id is drawn on every run, in every partition and on every machine."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

STEPS = 1_000_000


def hash_share(*columns: Column | str) -> Column:
    """A number in [0, 1), in steps of a millionth, that depends on the columns alone."""
    return F.pmod(F.xxhash64(*columns), F.lit(STEPS)) / F.lit(STEPS)


def drawn(rows: DataFrame, key: str, count: int) -> DataFrame:
    """So many rows at most, by the hash of a column that tells them apart."""
    return rows.orderBy(F.xxhash64(key), key).limit(count)


def parts_of(ids: Iterable[str], parts: int, salt: str = "") -> np.ndarray:
    """The part, below ``parts``, that each id is hashed to: [ids] int64. Another salt deals the ids anew."""
    return np.array([crc32(f"{salt}{one}".encode()) % parts for one in ids], np.int64)

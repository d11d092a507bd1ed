"""The SHA-256 of a table's sorted content: equal rows make equal digests, in whatever files and order they lie."""

from __future__ import annotations

import hashlib

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.lake import Lake, Release

MEASURED = {"training_log": ("seconds",)}
"""Columns that say how long something took, which is no two times the same."""
BUCKET_DIGITS = 3


def digests(lake: Lake, release: Release) -> dict[str, str]:
    """Digest of every table that a release names."""
    return {name: digest(release.read(lake, name).drop(*MEASURED.get(name.rpartition("/")[2], ())))
            for name in release.tables}  # fmt: skip


def digest(frame: DataFrame) -> str:
    """SHA-256 over the rows' own SHA-256 in sorted order; 4,096 digests of shares reach the driver."""
    rows = frame.select(F.sha2(F.to_json(F.struct(*[_canonical(n, t) for n, t in frame.dtypes])), 256).alias("row"))
    shares = (
        rows.groupBy(F.substring("row", 1, BUCKET_DIGITS).alias("bucket"))
        .agg(F.sha2(F.concat_ws("", F.sort_array(F.collect_list("row"))), 256).alias("share"))
        .orderBy("bucket")
        .collect()
    )
    return hashlib.sha256("".join(row["share"] for row in shares).encode()).hexdigest()


def _canonical(name: str, kind: str) -> Column:
    """One text for equal values: entries of a map sorted by key, times to the microsecond."""
    if kind.startswith("map<"):
        return F.array_sort(F.map_entries(name)).alias(name)
    return F.unix_micros(name).alias(name) if kind == "timestamp" else F.col(name)

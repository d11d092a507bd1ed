"""Item text as TF-IDF, projected to a fixed width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrow import list_column

MIN_TERM_LENGTH = 2
MIN_TERM_ITEMS = 2
"""A term of one item says nothing about another."""
NONZEROS = 8
"""Positions that one term touches."""


def item_terms(items: DataFrame) -> DataFrame:
    """The words that MIN_TERM_ITEMS items share with their idf, after contract ``item_terms``."""
    total = items.agg(F.count("*").alias("n"))
    holders = _term_counts(items).groupBy("term").agg(F.count("*").alias("df")).where(F.col("df") >= MIN_TERM_ITEMS)
    idf = F.log((1 + F.col("n")) / (1 + F.col("df"))) + 1
    return holders.crossJoin(F.broadcast(total)).select("term", idf.alias("idf"))


def text_vectors(items: DataFrame, item_terms: DataFrame, width: int, seed: int) -> DataFrame:
    """item_id and text_vector [width] of unit length, for items with a term of ``item_terms``.

    TF-IDF is (1 + log tf) · (log((1 + n) / (1 + df)) + 1). The projection gives each term ``NONZEROS`` positions with
    signs ±1, drawn from the term's hash: it needs neither vocabulary nor fit, and keeps inner products within about
    1/sqrt(width) (Li, Hastie and Church, "Very sparse random projections", KDD 2006).
    """
    tf_idf = (1 + F.log("tf")) * F.col("idf")
    weighed = (
        _term_counts(items)
        .join(item_terms, "term", "inner")
        .select("item_id", F.xxhash64("term", F.lit(seed)).alias("hash"), tf_idf.alias("weight"))
    )
    listed = weighed.groupBy("item_id").agg(F.array_sort(F.collect_list(F.struct("hash", "weight"))).alias("terms"))
    columns = listed.select("item_id", F.col("terms.hash").alias("hash"), F.col("terms.weight").alias("weight"))
    return columns.mapInArrow(_projector(width), "item_id string, text_vector array<float>")


def _term_counts(items: DataFrame) -> DataFrame:
    """item_id, term, tf."""
    words = F.split(F.lower(_text()), r"[^\p{L}\p{M}\p{N}]+")
    terms = items.select("item_id", F.explode(words).alias("term")).where(F.length("term") >= MIN_TERM_LENGTH)
    return terms.groupBy("item_id", "term").agg(F.count("*").alias("tf"))


def _text() -> Column:
    return F.concat_ws(" ", "title", "description", "brand", F.array_join("category_path", " "))


def _projector(width: int) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def project(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            lengths = np.diff(batch["hash"].offsets.to_numpy())
            hashes = batch["hash"].flatten().to_numpy(zero_copy_only=False)
            weights = batch["weight"].flatten().to_numpy(zero_copy_only=False)
            vectors = projected(hashes, weights, np.repeat(np.arange(len(lengths)), lengths), len(lengths), width)
            yield pa.RecordBatch.from_arrays([batch["item_id"], list_column(vectors)], ["item_id", "text_vector"])

    return project


def projected(hashes: np.ndarray, weights: np.ndarray, rows: np.ndarray, n_rows: int, width: int) -> np.ndarray:
    """Terms [nnz] (hash int64, weight, row) as unit rows [n_rows, width] of float32; a row without terms is zero."""
    out = np.zeros((n_rows, width))
    for draw in range(NONZEROS):
        bits = _mixed(hashes.astype(np.uint64), draw)
        signs = np.where(bits >> np.uint64(63), 1.0, -1.0)
        np.add.at(out, (rows, (bits & np.uint64(0xFFFFFFFF)) % np.uint64(width)), signs * weights)
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    return (out / np.where(norms > 0, norms, 1.0)).astype(np.float32)


def _mixed(hashes: np.ndarray, draw: int) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): independent bits for each draw."""
    with np.errstate(over="ignore"):
        z = hashes + np.uint64((draw + 1) * 0x9E3779B97F4A7C15 % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))

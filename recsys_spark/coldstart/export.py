"""Tower vectors of users and items, written by each rank for its shard as Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from recsys_spark.coldstart.examples import Batch
from recsys_spark.coldstart.model import TwoTowers
from recsys_spark.coldstart.ranks import Ranks
from recsys_spark.kernels.arrow import list_column

ROWS_AT_A_TIME = 4096
"""Never fewer: a matrix product rounds its last rows another way where they do not fill its tiles, and equal items, and
the same user in a refresh and in an update, must get the same vectors to the last bit."""
SCHEMA = pa.schema([("side", pa.string()), ("idx", pa.int64()), ("vector", pa.list_(pa.float32()))])


def export(
    model: TwoTowers, known: np.ndarray, users: Iterator[Batch], ranks: Ranks, folder: Path, first_item: int = 1
) -> None:
    """Write this rank's vectors to ``folder`` with the columns of the contract tower_vectors.

    Args:
        model: trained.
        known: int32 [n_items + 1]; an item without training examples is scored by content alone.
        users: blocks of this rank's rows of training_users.
        ranks: which share of the items is this rank's.
        folder: made if missing.
        first_item: index of the first item that is written, from 1; beyond the last, no item is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n_items = model.items_known.n_items
    own = np.arange(first_item + ranks.rank, n_items + 1, ranks.size, dtype=np.int32)
    with pq.ParquetWriter(folder / f"part-{ranks.rank:05d}.parquet", SCHEMA) as writer:
        for idx in _slices(own):
            full = _padded(idx)
            vectors = model.items(full, known[full]).numpy()[: len(idx)]
            _write(writer, "item", idx.astype(np.int64) - 1, vectors)
        known_tensor = tf.constant(known)
        for block in users:
            for rows in _slices(np.arange(len(block["user_idx"]))):
                full = _padded(rows)
                vectors = model.users(block["attribute_idx"][full], block["history_idx"][full], known_tensor)
                _write(writer, "user", block["user_idx"][rows].astype(np.int64), vectors.numpy()[: len(rows)])


def _slices(values: np.ndarray) -> Iterator[np.ndarray]:
    return (values[start : start + ROWS_AT_A_TIME] for start in range(0, len(values), ROWS_AT_A_TIME))


def _padded(rows: np.ndarray) -> np.ndarray:
    """[ROWS_AT_A_TIME]: the last of the rows is repeated."""
    return np.pad(rows, (0, ROWS_AT_A_TIME - len(rows)), mode="edge")


def _write(writer: pq.ParquetWriter, side: str, idx: np.ndarray, vectors: np.ndarray) -> None:
    """Append rows; ``vectors`` is float32 [len(idx), width]."""
    sides = pa.array(np.full(len(idx), side, dtype=object), pa.string())
    writer.write_table(pa.table([sides, pa.array(idx), list_column(vectors)], schema=SCHEMA))

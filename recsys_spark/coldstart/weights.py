"""The weights of a trained model as rows of the contract tower_weights, so that it can score without a training.

The values of each weight, one matrix row after the other, are cut into rows as long as an embedding; zeros fill the
last one. So an embedding table keeps its rows, and all rows have one length, whatever the weight: Petastorm stacks the
lists of a row group to a matrix, and which rows of the stored table share a row group is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_spark.coldstart.checkpoint import weights_sha256
from recsys_spark.coldstart.examples import Batch
from recsys_spark.coldstart.model import TwoTowers
from recsys_spark.errors import TrainingError
from recsys_spark.kernels.arrow import list_column

COLUMNS = ("name", "row", "values")
SCHEMA = pa.schema([("name", pa.string()), ("row", pa.int64()), ("values", pa.list_(pa.float32()))])
ROWS_AT_A_TIME = 65_536
KNOWN, DENSE_SCALE, TEMPERATURE = "known", "dense_scale", "temperature"
"""Names of the constants: 1 for each item that has an embedding of its own, else 0, from the padding item 0 on; and two
numbers, each repeated over one row, so that a damaged one is seen."""
REMEDY = "Score with the settings of the training, or run a full refresh, which trains and writes weights anew."


def write(model: TwoTowers, known: np.ndarray, folder: Path) -> None:
    """Write a trained model to ``folder``, made if missing.

    Args:
        model: its weights are named by their place in the model and their path, such as "000 item_ids/table".
        known: int32 [n_items + 1], an item's own index where it has training examples, else 0.
        folder: one Parquet file goes there; a row group holds at most ``ROWS_AT_A_TIME`` rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(folder / "part-00000.parquet", SCHEMA) as writer:
        for name, variable in zip(_names(model), model.trainable_variables, strict=True):
            _write(writer, name, variable.numpy(), model.width)
        _write(writer, KNOWN, known > 0, model.width)
        for name, number in ((DENSE_SCALE, model.items_known.dense_scale), (TEMPERATURE, model.temperature)):
            _write(writer, name, np.full(model.width, number), model.width)


@dataclass(frozen=True)
class StoredWeights:
    """What a training left, read again."""

    tables: dict[str, np.ndarray]
    """Of each weight and constant float32 [rows, width]."""
    width: int

    @staticmethod
    def read(blocks: Iterable[Batch], width: int) -> StoredWeights:
        """Gather the rows of the table, which may come in any order.

        Args:
            blocks: rows with the columns COLUMNS.
            width: of the embeddings.

        Raises:
            TrainingError: there are no rows, or one is missing, is there twice, or has another length.
        """
        parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        for block in blocks:
            found = block["values"].shape[1]
            if found != width:
                raise TrainingError(f"tower_weights: found rows of {found} values, expected {width}. {REMEDY}")
            for name in np.unique(block["name"]).tolist():
                chosen = block["name"] == name
                parts.setdefault(name, []).append((block["row"][chosen], block["values"][chosen]))
        if not parts:
            raise TrainingError(f"tower_weights: found no rows, expected the weights of a training. {REMEDY}")
        return StoredWeights({name: _in_order(name, rows) for name, rows in parts.items()}, width)

    def n_rows(self, layer: str) -> int:
        """Rows of an embedding table without the padding row, so its largest index.

        Raises:
            TrainingError: there is no such table.
        """
        named = [name for name in self.tables if name.endswith(f" {layer}/table")]
        if len(named) != 1:
            raise TrainingError(f"tower_weights: found {len(named)} weights {layer}/table, expected one. {REMEDY}")
        return len(self.tables[named[0]]) - 1

    def known(self, n_items: int) -> np.ndarray:
        """int32 [n_items + 1]: an item's own index where it had training examples, else 0, also for new items.

        Raises:
            TrainingError: the training knew more items, or a flag is neither 0 nor 1.
        """
        n_trained = self.n_rows("item_ids")
        if n_items < n_trained:
            raise TrainingError(
                f"training_items: found {n_items} items, expected the {n_trained} of the training first. {REMEDY}"
            )
        flags = self._array(KNOWN, (n_trained + 1,))
        if not np.isin(flags, (0, 1)).all() or flags[0]:
            raise TrainingError(f"tower_weights, {KNOWN}: found other values than 0 and 1, or item 0. {REMEDY}")
        known = np.zeros(n_items + 1, np.int32)
        known[: n_trained + 1] = np.where(flags > 0, np.arange(n_trained + 1), 0)
        return known

    def number(self, name: str) -> float:
        """The constant ``DENSE_SCALE`` or ``TEMPERATURE``.

        Raises:
            TrainingError: it is missing or damaged.
        """
        values = np.unique(self._array(name, (self.width,)))
        if len(values) != 1 or not np.isfinite(values).all():
            raise TrainingError(f"tower_weights, {name}: found {values[:5].tolist()}, expected one number. {REMEDY}")
        return float(values[0])

    def restore(self, model: TwoTowers, expected_sha256: str) -> None:
        """Give the weights to a model.

        Raises:
            TrainingError: names, shapes or the temperature differ from the model's, or the weights have another hash.
        """
        names = _names(model)
        others = sorted({*names, KNOWN, DENSE_SCALE, TEMPERATURE} ^ self.tables.keys())
        if others:
            raise TrainingError(f"tower_weights: {others} are in the table or in the model, but not in both. {REMEDY}")
        trained, asked = self.number(TEMPERATURE), float(np.float32(model.temperature))
        if trained != asked:
            raise TrainingError(f"tower_weights, {TEMPERATURE}: found {trained:g}, expected {asked:g}. {REMEDY}")
        for name, variable in zip(names, model.trainable_variables, strict=True):
            variable.assign(self._array(name, tuple(variable.shape)))
        digest = weights_sha256([variable.value for variable in model.trainable_variables])
        if digest != expected_sha256:
            raise TrainingError(
                f"tower_weights: found weights of sha256 {digest}, expected {expected_sha256} of training_log. {REMEDY}"
            )

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """The values of a weight or constant in its shape."""
        size = prod(shape)
        n_rows = -(-size // self.width)
        found = self.tables.get(name, np.zeros((0, self.width), np.float32))
        if len(found) != n_rows:
            raise TrainingError(
                f"tower_weights, {name}: found {len(found)} rows of {self.width} values, expected {n_rows} for an "
                f"array of shape {shape}. {REMEDY}"
            )
        return found.ravel()[:size].reshape(shape)


def _names(model: TwoTowers) -> list[str]:
    return [f"{place:03d} {variable.path}" for place, variable in enumerate(model.trainable_variables)]


def _write(writer: pq.ParquetWriter, name: str, values: np.ndarray, width: int) -> None:
    for row, rows in _cut(values.ravel(), width):
        names = pa.array([name]).take(pa.array(np.zeros(len(rows), np.int32)))
        places = pa.array(np.arange(row, row + len(rows), dtype=np.int64))
        writer.write_table(pa.table([names, places, list_column(rows)], schema=SCHEMA))


def _cut(values: np.ndarray, width: int) -> Iterator[tuple[int, np.ndarray]]:
    """Number of the first row, and rows [at most ROWS_AT_A_TIME, width]."""
    for start in range(0, len(values), ROWS_AT_A_TIME * width):
        part = values[start : start + ROWS_AT_A_TIME * width].astype(np.float32)
        yield start // width, np.pad(part, (0, -len(part) % width)).reshape(-1, width)


def _in_order(name: str, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    row = np.concatenate([rows for rows, _ in parts])
    order = np.argsort(row)
    if not np.array_equal(row[order], np.arange(len(row))):
        raise TrainingError(
            f"tower_weights, {name}: found {len(row)} rows numbered {row.min()} to {row.max()}, expected each number "
            f"from 0 to {row.max()} once. {REMEDY}"
        )
    return np.concatenate([values for _, values in parts])[order]

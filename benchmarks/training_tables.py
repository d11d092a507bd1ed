"""Training tables of the cold-start model with a planted taste, written without Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_spark.coldstart.spec import TrainingSpec
from recsys_spark.kernels.arrow import list_column

FILES = 16
"""What materialize_dataset writes for two processes."""
GROUPS = 50
"""Users of a group take nine of ten items from the group."""
ATTRIBUTES, HISTORY, FEATURES = 16, 20, 32
"""Lengths of the padded columns; the defaults of the settings."""
LIKENESS = 1.0
"""How long the part of a text vector is that its group decides, the item's own part being 1."""
HELD_OUT_SHARE = 0.05


@dataclass(frozen=True)
class Size:
    """How many examples and items there are, and the widths of the model's embeddings and of the text vectors."""

    examples: int
    items: int
    width: int = 64
    dense: int = 32


def write(size: Size, folder: Path) -> None:
    """training_examples, training_users and training_items below the folder; every user has one example."""
    random = np.random.default_rng(0)
    group = random.integers(0, GROUPS, size.examples)
    new_user = random.random(size.examples) < HELD_OUT_SHARE
    held_out_item = random.random(size.items + 1) < HELD_OUT_SHARE
    item, history = _chosen(random, group, size.items, 1)[:, 0], _chosen(random, group, size.items, HISTORY)
    attributes = np.zeros((size.examples, ATTRIBUTES), np.int32)
    attributes[:, 0], attributes[:, 1] = group + 1, GROUPS + 1 + random.integers(0, 5, size.examples)
    users = {
        "user_idx": pa.array(np.arange(size.examples)),
        "attribute_idx": _integers(attributes),
        "history_idx": _integers(history),
    }
    part = np.where(new_user | held_out_item[item], "validation", "train")
    examples = {"part": pa.array(part), **users, "item_idx": pa.array(item, pa.int32())}
    _write(folder / "training_examples", {**examples, "weight": pa.array(np.ones(size.examples, np.float32))})
    _write(folder / "training_users", {name: column.slice(0, 1_000) for name, column in users.items()})
    _write(folder / "training_items", _items(random, size, held_out_item))


def spec(data: Path, folder: Path, size: Size, **changed: object) -> TrainingSpec:
    """A training of these tables; widths of the size, all else as the settings have it by default."""
    names = {"example_files": "training_examples", "user_files": "training_users", "item_files": "training_items"}
    files = {field: tuple(p.as_uri() for p in sorted((data / name).glob("*.parquet"))) for field, name in names.items()}
    return TrainingSpec(**{**files, "folder": str(folder), "width": size.width, "threads": 1, **changed})


def _chosen(random: np.random.Generator, group: np.ndarray, items: int, count: int) -> np.ndarray:
    """Item numbers [examples, count] from 1, popular ones more often."""
    drawn = np.floor(random.random((len(group), count)) ** 1.6 * items).astype(np.int64)
    own = np.minimum(drawn - drawn % GROUPS + group[:, None], items - 1)
    return (np.where(random.random(drawn.shape) < 0.9, own, drawn) + 1).astype(np.int32)


def _items(random: np.random.Generator, size: Size, held_out: np.ndarray) -> Mapping[str, pa.Array]:
    number = np.arange(size.items)
    features = np.zeros((size.items, FEATURES), np.int32)
    features[:, 0], features[:, 1] = number % GROUPS + 1, GROUPS + 1 + number % 997
    features[:, 2:6] = GROUPS + 998 + random.integers(0, 5_000, (size.items, 4))
    return {
        "item_idx": pa.array(number + 1, pa.int32()),
        "feature_idx": _integers(features),
        "dense": list_column(_texts(random, number % GROUPS, size.dense)),
        "log_q": pa.array(np.full(size.items, -np.log(size.items), np.float32)),
        "is_held_out": pa.array(held_out[1:]),
    }


def _texts(random: np.random.Generator, group: np.ndarray, width: int) -> np.ndarray:
    """Vectors of unit length [items, width], those of a group a little alike, as texts of one category are."""
    centre, own = (random.standard_normal((rows, width), dtype=np.float32) for rows in (GROUPS, len(group)))
    vectors = LIKENESS * centre[group] + own
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _integers(values: np.ndarray) -> pa.Array:
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel(), pa.int32()))


def _write(folder: Path, columns: Mapping[str, pa.Array]) -> None:
    """Equal files, rows dealt round robin, as the job writes them."""
    table = pa.table(dict(columns))
    folder.mkdir(parents=True)
    for file in range(FILES):
        pq.write_table(table.take(np.arange(file, table.num_rows, FILES)), folder / f"part-{file:02d}.parquet")

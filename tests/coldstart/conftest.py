"""A tiny shop with a planted taste: users of a group buy the items of that group, whatever else they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from recsys_spark.coldstart.ranks import Ranks
from recsys_spark.coldstart.spec import TrainingSpec
from recsys_spark.coldstart.train import run

GROUPS, USERS, ITEMS, PER_USER, FILES = 8, 200, 240, 10, 4
HISTORY = 5


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the three training tables, 2,000 examples, a tenth of users and a fifth of items held out."""
    folder = tmp_path_factory.mktemp("planted shop")
    random = np.random.default_rng(5)
    held_out_item = np.arange(ITEMS + 1) % 5 == 0
    held_out_item[0] = False
    met = np.stack([_basket(random, user % GROUPS) for user in range(USERS)])
    _write(folder, "training_examples", _examples(met, held_out_item))
    histories = [[*row[:HISTORY]] for row in met.tolist()]
    _write(folder, "training_users", _users(histories))
    _write(folder, "training_items", _items(held_out_item))
    return folder


@pytest.fixture
def spec_in(planted: Path) -> Callable[..., TrainingSpec]:
    """spec_in(folder, epochs=3): a small training on the planted shop."""
    return partial(spec_of, planted)


@pytest.fixture(scope="session")
def once(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingSpec, str]:
    """One training of six epochs, in this process, and the hash of its weights; tests leave its folder as it is."""
    spec = spec_of(planted, tmp_path_factory.mktemp("once"))
    return spec, run(spec, Ranks())


def spec_of(planted: Path, folder: Path, **changed: Any) -> TrainingSpec:
    """A training that takes a second an epoch or less."""
    settings = {
        "example_files": _uris(planted, "training_examples"),
        "user_files": _uris(planted, "training_users"),
        "item_files": _uris(planted, "training_items"),
        "width": 16,
        "hidden": (32,),
        "batch_size": 128,
        "epochs": 6,
        "patience": 6,
        "learning_rate": 0.2,
        "seed": 3,
        "threads": 1,
    }
    return TrainingSpec(folder=str(folder), **{**settings, **changed})


def empty_examples(folder: Path) -> str:
    """URI of an examples file without rows."""
    (folder / "empty").mkdir()
    path = folder / "empty" / "part-0.parquet"
    names = ("part", "user_idx", "attribute_idx", "history_idx", "item_idx", "weight")
    pq.write_table(pa.table({name: pa.array([], TYPES[name]) for name in names}), path)
    return path.as_uri()


def trained_part(planted: Path, folder: Path) -> str:
    """URI of the examples without those of the validation part."""
    table = pq.read_table(planted / "training_examples")
    path = folder / "train.parquet"
    pq.write_table(table.filter(pc.equal(table["part"], "train")), path)
    return path.as_uri()


def _basket(random: np.random.Generator, group: int) -> np.ndarray:
    own = np.arange(1 + group, ITEMS + 1, GROUPS)
    return random.choice(own, PER_USER, replace=False)


def _examples(met: np.ndarray, held_out_item: np.ndarray) -> dict[str, list]:
    rows: dict[str, list] = {n: [] for n in ("part", "user_idx", "attribute_idx", "history_idx", "item_idx", "weight")}
    for user, basket in enumerate(met.tolist()):
        for place, item in enumerate(basket):
            held_out = user % 10 == 9 or held_out_item[item]
            rows["part"].append("validation" if held_out else "train")
            rows["user_idx"].append(user)
            rows["attribute_idx"].append([user % GROUPS + 1, 0])
            rows["history_idx"].append(_padded(basket[:place][::-1]))
            rows["item_idx"].append(item)
            rows["weight"].append(1.0)
    return rows


def _users(histories: list[list[int]]) -> dict[str, list]:
    """The last user is new."""
    histories = [*histories[:-1], []]
    return {
        "user_idx": list(range(USERS)),
        "attribute_idx": [[user % GROUPS + 1, 0] for user in range(USERS)],
        "history_idx": [_padded(history) for history in histories],
    }


def _items(held_out_item: np.ndarray) -> dict[str, list]:
    idx = range(1, ITEMS + 1)
    return {
        "item_idx": list(idx),
        "feature_idx": [[(i - 1) % GROUPS + 1, GROUPS + 1 + i % 3, 0, 0] for i in idx],
        "dense": [[float(i % 7), 1.0] for i in idx],
        "log_q": [float(-np.log(ITEMS))] * ITEMS,
        "is_held_out": held_out_item[1:].tolist(),
    }


def _padded(history: list[int]) -> list[int]:
    return [*history[:HISTORY], *[0] * (HISTORY - len(history[:HISTORY]))]


TYPES = {
    "part": pa.string(),
    "user_idx": pa.int64(),
    "attribute_idx": pa.list_(pa.int32()),
    "history_idx": pa.list_(pa.int32()),
    "item_idx": pa.int32(),
    "weight": pa.float32(),
    "feature_idx": pa.list_(pa.int32()),
    "dense": pa.list_(pa.float32()),
    "log_q": pa.float32(),
    "is_held_out": pa.bool_(),
}


def _write(folder: Path, name: str, columns: dict[str, list]) -> None:
    table = pa.table({c: pa.array(values, TYPES[c]) for c, values in columns.items()})
    (folder / name).mkdir()
    for part in range(FILES):
        rows = np.arange(part, table.num_rows, FILES)
        pq.write_table(table.take(rows), folder / name / f"part-{part}.parquet")


def _uris(folder: Path, name: str) -> tuple[str, ...]:
    return tuple(path.as_uri() for path in sorted((folder / name).glob("*.parquet")))

"""Scoring with the weights of a training: the same vectors for whom it knew, and vectors for the new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_spark.coldstart import launch
from recsys_spark.coldstart.spec import ScoringSpec
from recsys_spark.coldstart.train import score
from recsys_spark.errors import TrainingError
from tests.coldstart.conftest import GROUPS, HISTORY, ITEMS, USERS

Scoring = Callable[..., ScoringSpec]


@pytest.fixture
def scoring(once, tmp_path) -> Scoring:
    """scoring(first_item=9): a scoring of the planted shop with the weights of the training."""
    trained, digest = once

    def spec(**changed) -> ScoringSpec:
        same = {name: getattr(trained, name) for name in ("user_files", "item_files", "width", "hidden", "temperature")}
        weights = tuple(path.as_uri() for path in trained.weights.glob("*.parquet"))
        own = {"weight_files": weights, "weights_sha256": digest, "folder": str(tmp_path / "scored"), "threads": 1}
        return ScoringSpec(**{**same, **own, **changed})

    return spec


def _vectors(folder: Path, side: str) -> dict[int, np.ndarray]:
    rows = pq.read_table(folder).to_pylist()
    return {row["idx"]: np.array(row["vector"], np.float32) for row in rows if row["side"] == side}


def _assert_same(found: dict[int, np.ndarray], expected: dict[int, np.ndarray]) -> None:
    assert sorted(found) == sorted(expected)
    for idx, vector in found.items():
        np.testing.assert_allclose(vector, expected[idx], rtol=1e-5, atol=1e-6)


def _written(path: Path, rows: pa.Table) -> tuple[str, ...]:
    pq.write_table(rows, path)
    return (path.as_uri(),)


def _items_with_new(planted: Path, path: Path) -> tuple[str, ...]:
    """The items of the training and two new ones; the second has attributes that no item of the training has."""
    rows = pq.read_table(planted / "training_items")
    new = [
        {"item_idx": ITEMS + 1, "feature_idx": [3, GROUPS + 1, 0, 0], "dense": [2.0, 1.0]},
        {"item_idx": ITEMS + 2, "feature_idx": [10_000, 0, 0, 0], "dense": [900.0, -500.0]},
    ]
    added = pa.Table.from_pylist([{**row, "log_q": -5.0, "is_held_out": False} for row in new], schema=rows.schema)
    return _written(path, pa.concat_tables([rows, added]))


def test_weights_give_everyone_the_vectors_of_the_training(once, scoring):
    spec = scoring()
    assert score(spec) == once[1]
    for side in ("user", "item"):
        _assert_same(_vectors(spec.vectors, side), _vectors(once[0].vectors, side))


def test_some_users_and_no_items(once, scoring, planted, tmp_path):
    rows = pq.read_table(planted / "training_users").slice(20, 7)
    spec = scoring(user_files=_written(tmp_path / "some.parquet", rows), first_item=ITEMS + 1)
    score(spec)
    assert not _vectors(spec.vectors, "item")
    before = _vectors(once[0].vectors, "user")
    _assert_same(_vectors(spec.vectors, "user"), {idx: before[idx] for idx in rows["user_idx"].to_pylist()})


def test_without_users_only_the_items_from_the_first_on(once, scoring):
    spec = scoring(user_files=(), first_item=ITEMS - 1)
    score(spec)
    before = _vectors(once[0].vectors, "item")
    _assert_same(_vectors(spec.vectors, "item"), {idx: before[idx] for idx in (ITEMS - 2, ITEMS - 1)})
    assert not _vectors(spec.vectors, "user")


def test_new_items_and_a_new_user_get_vectors(once, scoring, planted, tmp_path):
    """The new user is of a group, and met a new item; the attribute beyond those of the training tells nothing."""
    history = [ITEMS + 1, *[0] * (HISTORY - 1)]
    users = pq.read_table(planted / "training_users")
    new = [
        {"user_idx": USERS, "attribute_idx": [3, 0], "history_idx": history},
        {"user_idx": USERS + 1, "attribute_idx": [3, 10_000], "history_idx": history},
    ]
    rows = pa.concat_tables([users, pa.Table.from_pylist(new, schema=users.schema)])
    spec = scoring(
        user_files=_written(tmp_path / "users.parquet", rows),
        item_files=_items_with_new(planted, tmp_path / "items.parquet"),
        first_item=ITEMS + 1,
    )
    score(spec)
    found, items = _vectors(spec.vectors, "user"), _vectors(spec.vectors, "item")
    assert sorted(items) == [ITEMS, ITEMS + 1]
    for vector in items.values():
        np.testing.assert_allclose(np.linalg.norm(vector), 1.0, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found[USERS]), 1 / spec.temperature, rtol=1e-4)
    np.testing.assert_allclose(found[USERS], found[USERS + 1], rtol=1e-5, atol=1e-6)
    # New items, however large their numbers, change nobody who did not meet them.
    _assert_same({idx: found[idx] for idx in range(USERS)}, _vectors(once[0].vectors, "user"))
    scores = np.stack([_vectors(once[0].vectors, "item")[i] for i in range(ITEMS)]) @ found[USERS]
    own = np.arange(ITEMS) % GROUPS == 2
    assert scores[own].min() > np.median(scores[~own])
    assert items[ITEMS] @ found[USERS] > np.median(scores[~own])


def test_a_launched_scoring_gives_the_same_and_replaces_what_was_there(once, scoring):
    spec = scoring()
    spec.vectors.mkdir(parents=True)
    (spec.vectors / "part-00009.parquet").write_bytes(b"of an earlier run")
    assert launch.score(spec, timeout_minutes=2) == spec.vectors
    for side in ("user", "item"):
        _assert_same(_vectors(spec.vectors, side), _vectors(once[0].vectors, side))


def test_a_launched_scoring_refuses_changed_weights_in_words(once, scoring, tmp_path):
    rows = pq.read_table(once[0].weights)
    values = rows["values"].to_pylist()
    values[7][0] += 1e-3
    changed = rows.set_column(2, "values", pa.array(values, pa.list_(pa.float32())))
    spec = scoring(weight_files=_written(tmp_path / "changed.parquet", changed))
    with pytest.raises(
        TrainingError, match=r"(?s)^scoring ended with code 7.*error: tower_weights: found weights of sha256"
    ):
        launch.score(spec, timeout_minutes=2)
    assert not spec.vectors.exists()


def test_a_missing_row_of_the_weights_is_refused(once, scoring, tmp_path):
    rows = pq.read_table(once[0].weights)
    for place, told in (
        (5, "expected each number"),
        (rows["name"].to_pylist().index("known") - 1, "found 0|in the ta"),
    ):
        missing = rows.take(np.delete(np.arange(rows.num_rows), place))
        spec = scoring(weight_files=_written(tmp_path / "missing.parquet", missing))
        with pytest.raises(TrainingError, match=told):
            score(spec)
        assert not spec.vectors.exists()


def test_the_hash_of_another_epoch_is_refused(scoring):
    with pytest.raises(TrainingError, match=r"expected 0{64} of training_log"):
        score(scoring(weights_sha256="0" * 64))


def test_a_history_with_an_item_that_is_not_there_is_refused(scoring, planted, tmp_path):
    users = pq.read_table(planted / "training_users")
    row = {"user_idx": 0, "attribute_idx": [1, 0], "history_idx": [ITEMS + 1, *[0] * (HISTORY - 1)]}
    files = _written(tmp_path / "users.parquet", pa.Table.from_pylist([row], schema=users.schema))
    with pytest.raises(TrainingError, match=rf"found item {ITEMS + 1} in a history, expected 1 to {ITEMS}"):
        score(scoring(user_files=files))


def test_a_spec_comes_back_from_its_file_and_no_other_does(once, scoring):
    spec = scoring()
    assert ScoringSpec.load(spec.save()) == spec
    with pytest.raises(TrainingError, match="is no ScoringSpec"):
        ScoringSpec.load(once[0].save())


def test_weights_that_spark_stored_in_files_of_its_own_give_the_same(once, scoring, spark, tmp_path):
    """Rows of all weights then share files and row groups, in any order."""
    stored = tmp_path / "stored by spark"
    spark.read.parquet(f"file://{once[0].weights}").repartition(3).write.parquet(f"file://{stored}")
    spec = scoring(weight_files=tuple(path.as_uri() for path in stored.glob("part-*.parquet")))
    assert len(spec.weight_files) == 3
    score(spec)
    _assert_same(_vectors(spec.vectors, "user"), _vectors(once[0].vectors, "user"))

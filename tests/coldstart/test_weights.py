"""Weights as rows: what is written comes back bit by bit, and what does not fit is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_spark.coldstart import weights
from recsys_spark.coldstart.catalogue import Catalogue, catalogue
from recsys_spark.coldstart.checkpoint import weights_sha256
from recsys_spark.coldstart.model import TwoTowers
from recsys_spark.coldstart.weights import StoredWeights
from recsys_spark.contracts import table
from recsys_spark.dataset import reader
from recsys_spark.errors import TrainingError

WIDTH, HIDDEN, N_ITEMS = 4, (6,), 9
KNOWN = np.array([0, 1, 0, 3, 4, 0, 6, 7, 8, 9], np.int32)


def _catalogue() -> Catalogue:
    idx = np.arange(1, N_ITEMS + 1)
    rows = {"item_idx": idx, "feature_idx": idx[:, None] % 3, "dense": np.stack([idx, idx**2], axis=1) / 7}
    return catalogue({**rows, "log_q": np.zeros(N_ITEMS), "is_held_out": np.zeros(N_ITEMS, bool)})


def _model(hidden: tuple[int, ...] = HIDDEN, temperature: float = 0.07) -> TwoTowers:
    return TwoTowers(_catalogue(), 5, WIDTH, hidden, temperature)


def _hash(model: TwoTowers) -> str:
    return weights_sha256([variable.value for variable in model.trainable_variables])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[TwoTowers, pa.Table]:
    """A model with its rows, written at most seven at a time."""
    model, folder = _model(), tmp_path_factory.mktemp("weights") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "ROWS_AT_A_TIME", 7)
        weights.write(model, KNOWN, folder)
    assert pq.ParquetFile(folder / "part-00000.parquet").metadata.row_group(0).num_rows == 7
    return model, pq.read_table(folder)


def _read(rows: pa.Table, folder: Path, width: int = WIDTH) -> StoredWeights:
    """The rows from two files, in another order than they were written in."""
    order = np.random.default_rng(0).permutation(rows.num_rows)
    for part in (0, 1):
        pq.write_table(rows.take(order[part::2]), folder / f"part-{part}.parquet")
    uris = [path.as_uri() for path in sorted(folder.glob("*.parquet"))]
    return StoredWeights.read(reader.blocks(uris, weights.COLUMNS, reader.Shard()), width)


def _where(rows: pa.Table, name: str, row: int) -> int:
    """Position of one row."""
    return list(zip(rows["name"].to_pylist(), rows["row"].to_pylist(), strict=True)).index((name, row))


def _without(rows: pa.Table, name: str, row: int) -> pa.Table:
    return rows.take(np.delete(np.arange(rows.num_rows), _where(rows, name, row)))


def _changed(rows: pa.Table, name: str, row: int, place: int, value: float) -> pa.Table:
    values = rows["values"].to_pylist()
    values[_where(rows, name, row)][place] = value
    return rows.set_column(2, "values", pa.array(values, pa.list_(pa.float32())))


def test_the_rows_are_those_of_the_contract_and_sort_in_the_order_of_the_model(written):
    model, rows = written
    assert rows.schema.names == table("tower_weights").columns
    assert {len(values) for values in rows["values"].to_pylist()} == {WIDTH}
    names = sorted(set(rows["name"].to_pylist()))
    assert names[:3] == ["000 item_ids/table", "001 item_features/table", "002 user_attributes/table"]
    assert [name.split()[1] for name in names if " " in name] == [v.path for v in model.trainable_variables]
    assert [name for name in names if " " not in name] == ["dense_scale", "known", "temperature"]
    assert [v.path for v in _model().trainable_variables] == [v.path for v in model.trainable_variables]


def test_an_embedding_has_a_row_of_its_own(written):
    model, rows = written
    found = rows["values"][_where(rows, "000 item_ids/table", 3)].as_py()
    assert found == model.item_ids.table.numpy()[3].tolist()


def test_what_was_written_comes_back(written, tmp_path):
    model, rows = written
    stored, other = _read(rows, tmp_path), _model()
    assert _hash(other) != _hash(model)
    stored.restore(other, _hash(model))
    for mine, theirs in zip(other.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    assert stored.known(N_ITEMS).tolist() == KNOWN.tolist()
    assert stored.known(N_ITEMS).dtype == np.int32
    assert stored.known(N_ITEMS + 2).tolist() == [*KNOWN.tolist(), 0, 0]
    assert stored.number(weights.DENSE_SCALE) == model.items_known.dense_scale
    assert [stored.n_rows(name) for name in ("item_ids", "item_features", "user_attributes")] == [N_ITEMS, 2, 5]


def test_a_changed_value_is_refused_by_its_hash(written, tmp_path):
    model, rows = written
    value = float(np.nextafter(model.item_ids.table.numpy()[5, 2], np.float32(9)))
    stored = _read(_changed(rows, "000 item_ids/table", 5, 2, value), tmp_path)
    with pytest.raises(TrainingError, match=r"found weights of sha256 [0-9a-f]{64}, expected [0-9a-f]{64} of training"):
        stored.restore(_model(), _hash(model))


def test_a_missing_row_and_one_that_is_there_twice_are_refused(written, tmp_path):
    _, rows = written
    with pytest.raises(TrainingError, match=r"000 item_ids/table: found 9 rows numbered 0 to 9, expected each number"):
        _read(_without(rows, "000 item_ids/table", 4), tmp_path)
    twice = pa.concat_tables([rows, rows.slice(_where(rows, "known", 1), 1)])
    with pytest.raises(TrainingError, match="known: found 4 rows numbered 0 to 2"):
        _read(twice, tmp_path)


def test_a_missing_last_row_is_refused(written, tmp_path):
    model, rows = written
    stored = _read(_without(rows, "002 user_attributes/table", 5), tmp_path)
    fewer = TwoTowers(_catalogue(), stored.n_rows("user_attributes"), WIDTH, HIDDEN, 0.07)
    with pytest.raises(TrainingError, match="found weights of sha256"):
        stored.restore(fewer, _hash(model))


def test_a_missing_weight_and_one_too_many_are_refused(written, tmp_path):
    model, rows = written
    stored = _read(_without(rows, "004 dense_part/bias", 0), tmp_path)
    with pytest.raises(TrainingError, match=r"\['004 dense_part/bias'\] are in the table or in the model"):
        stored.restore(_model(), _hash(model))
    no_ids = StoredWeights({"known": np.zeros((3, WIDTH), np.float32)}, WIDTH)
    with pytest.raises(TrainingError, match="found 0 weights item_ids/table, expected one"):
        no_ids.n_rows("item_ids")
    with pytest.raises(TrainingError, match="found no rows, expected the weights of a training"):
        StoredWeights.read(iter([]), WIDTH)


def test_settings_of_another_training_are_refused(written, tmp_path):
    model, rows = written
    stored = _read(rows, tmp_path)
    with pytest.raises(TrainingError, match=r"hidden_0/kernel: found 18 rows of 4 values, expected 21 for an array"):
        stored.restore(_model(hidden=(7,)), _hash(model))
    with pytest.raises(TrainingError, match=r"temperature: found 0\.07, expected 0\.1"):
        stored.restore(_model(temperature=0.1), _hash(model))
    with pytest.raises(TrainingError, match="found rows of 4 values, expected 8"):
        _read(rows, tmp_path, width=8)
    with pytest.raises(TrainingError, match="found 8 items, expected the 9 of the training first"):
        stored.known(N_ITEMS - 1)


def test_damaged_constants_are_refused(written, tmp_path):
    _, rows = written
    with pytest.raises(TrainingError, match="known: found other values than 0 and 1"):
        _read(_changed(rows, "known", 1, 2, 0.5), tmp_path).known(N_ITEMS)
    scale = _changed(rows, "dense_scale", 0, 1, 1.5)
    with pytest.raises(TrainingError, match=r"dense_scale: found \[.*\], expected one number"):
        _read(scale, tmp_path).number(weights.DENSE_SCALE)

"""Files that would run code when they are unpickled or loaded: none of it runs, and what is damaged is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
import sqlite3
from contextlib import suppress
from pathlib import Path

import keras
import pyarrow.parquet as pq
import pytest
from petastorm import make_batch_reader

from recsys_spark.coldstart import launch
from recsys_spark.coldstart.checkpoint import Checkpoints
from recsys_spark.coldstart.ranks import Ranks
from recsys_spark.coldstart.train import run
from recsys_spark.dataset.reader import Shard, blocks, table
from recsys_spark.errors import TrainingError
from tests.coldstart.conftest import planted, spec_of  # noqa: F401 - planted is a fixture

COLUMNS = ("user_idx", "history_idx")


class Poison:
    """Writes a file when it is unpickled, also by Petastorm, which lets builtins through."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return exec, (f"open({str(self.mark)!r}, 'w').close()",)


@pytest.fixture
def shop(planted, tmp_path):  # noqa: F811
    """A folder of training users of one's own to spoil, and the file that poison would make."""
    folder = tmp_path / "training_users"
    folder.mkdir()
    for path in (planted / "training_users").glob("*.parquet"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder, tmp_path / "poisoned"


def uris(folder: Path) -> list[str]:
    return [path.as_uri() for path in sorted(folder.glob("part-*.parquet"))]


def poisoned_schema(folder: Path, mark: Path):
    schema = pq.read_schema(folder / "part-0.parquet")
    return schema.with_metadata({b"dataset-toolkit.unischema.v1": pickle.dumps(Poison(mark))})


def test_a_pickle_in_common_metadata_runs_where_petastorm_gets_the_folder_and_never_here(shop):
    folder, mark = shop
    for name in ("_common_metadata", "_metadata"):
        pq.write_metadata(poisoned_schema(folder, mark), folder / name)
    with pytest.raises(TrainingError, match="never hand a folder to Petastorm"):
        list(blocks([folder.as_uri()], COLUMNS, Shard()))
    with pytest.raises(TrainingError, match="expected the URI of a Parquet file"):
        list(blocks([f"{folder.as_uri()}/_common_metadata"], COLUMNS, Shard()))
    assert len(table(uris(folder), COLUMNS)["user_idx"]) == 200
    assert not mark.exists()
    with suppress(Exception), make_batch_reader(folder.as_uri()):  # whatever it makes of the schema that it finds
        pass
    assert mark.exists(), "the poison works; it is this project's reader that keeps away from it"


def test_a_pickle_in_the_footer_of_a_data_file_is_not_loaded(shop):
    folder, mark = shop
    rows = pq.read_table(folder / "part-0.parquet")
    pq.write_table(rows.cast(poisoned_schema(folder, mark)), folder / "part-0.parquet")
    assert len(table(uris(folder), COLUMNS)["user_idx"]) == 200
    assert not mark.exists()


def test_a_poisoned_cache_runs_where_petastorm_uses_it_and_never_here(shop, tmp_path):
    folder, mark = shop
    cached = dict(cache_type="local-disk", cache_location=str(tmp_path / "cache"), cache_size_limit=2**26)
    cached |= dict(cache_row_size_estimate=100, cache_extra_settings={"cleanup": False}, reader_pool_type="dummy")
    with make_batch_reader(uris(folder), **cached) as reader:
        list(reader)
    for store in (tmp_path / "cache").rglob("cache.db"):
        with sqlite3.connect(store) as entries:
            entries.execute("update Cache set value = ?, mode = 4, filename = null", [pickle.dumps(Poison(mark))])
    assert len(table(uris(folder), COLUMNS)["user_idx"]) == 200
    assert not mark.exists()
    with make_batch_reader(uris(folder), **cached) as reader:
        list(reader)
    assert mark.exists(), "the poison works; it is this project's reader that has no cache"


@pytest.fixture
def trained(planted, tmp_path):  # noqa: F811
    """A training of one epoch whose next run would begin with its checkpoint."""
    first = spec_of(planted, tmp_path, epochs=1)
    run(first, Ranks())
    manifest = json.loads((first.checkpoints / "manifest.json").read_text())
    spec = spec_of(planted, tmp_path, epochs=2)
    (first.checkpoints / "manifest.json").write_text(json.dumps(manifest | {"spec_sha256": spec.sha256}))
    launch.prepared(spec)
    return spec, first.checkpoints / "epoch-0001.h5"


def signed(weights: Path) -> None:
    """Make the manifest name the file's own hash, as somebody who may write both would."""
    path = weights.with_name("manifest.json")
    manifest = json.loads(path.read_text())
    manifest["files"][weights.name] = hashlib.sha256(weights.read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))


def test_a_flipped_byte_in_the_weights_is_refused(trained):
    spec, weights = trained
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(
        TrainingError, match=r"found sha256 [0-9a-f]{64}, expected [0-9a-f]{64}; delete .* to train anew"
    ):
        run(spec, Ranks())
    assert not spec.vectors.exists()


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_a_model_file_with_a_lambda_is_refused_even_under_a_fitting_hash(trained, tmp_path, name):
    spec, weights = trained
    mark = tmp_path / "poisoned"
    layer = keras.layers.Lambda(lambda x, mark=str(mark): (open(mark, "w").close(), x)[1])
    model = keras.Sequential([keras.Input((2,)), layer])
    mark.unlink(missing_ok=True)  # building the model ran it
    model.save(tmp_path / name)
    weights.write_bytes((tmp_path / name).read_bytes())
    signed(weights)
    with pytest.raises(TrainingError, match=r"is no checkpoint .*; delete .* to train anew"):
        run(spec, Ranks())
    assert not mark.exists()
    assert not spec.vectors.exists()


def test_a_pickle_in_the_place_of_weights_is_refused(tmp_path):
    mark, weights = tmp_path / "poisoned", tmp_path / "epoch-0001.h5"
    weights.write_bytes(pickle.dumps(Poison(mark)))
    (tmp_path / "manifest.json").write_text(json.dumps({"spec_sha256": "s", "files": {}}))
    signed(weights)
    with pytest.raises(TrainingError, match="is no checkpoint"):
        Checkpoints(tmp_path, "s").restore(1, [])
    assert not mark.exists()

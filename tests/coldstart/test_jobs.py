"""materialize_dataset and train_coldstart on a temporary lake."""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest

from jobs import materialize_dataset, train_coldstart
from jobs.context import Job
from recsys_spark.coldstart import launch
from recsys_spark.config import Settings
from recsys_spark.errors import PrerequisiteError, SettingsError
from recsys_spark.lake import Lake
from tests.conftest import at

USERS, ITEMS = 30, 12


@pytest.fixture
def job(spark, tmp_path) -> Job:
    """A run on an empty lake."""
    lake = tmp_path / "a lake"
    training = {"width": 8, "hidden": (8,), "epochs": 2, "batch_size": 32, "history_length": 4, "held_out_share": 0.2}
    settings = Settings.model_validate({"lake": {"path": str(lake)}, "coldstart": training})
    return Job(settings, spark, Lake(spark, str(lake)), "run-1")


@pytest.fixture
def filled(job, rows) -> Job:
    """The full fold with what materialize_dataset reads: the last user and the last item are new."""
    return _fill(job, rows)


def _fill(job, rows) -> Job:
    moment = at("2024-01-01T00:00:00")
    met = [(user, (user + step) % (ITEMS - 1)) for user in range(USERS - 1) for step in range(5)]
    job.write(
        "interactions",
        rows(
            "interactions",
            *[
                dict(user_id=f"u{u:02d}", item_id=f"i{i:02d}", strength=1.0, first_ts=moment, last_ts=moment)
                for u, i in met
            ],
        ),
    )
    users = [dict(user_id=f"u{n:02d}", user_idx=n, feature_idx=[n % 3], feature_value=[1.0]) for n in range(USERS)]
    items = [
        dict(item_id=f"i{n:02d}", item_idx=n, n_events=int(n < ITEMS - 1), text_vector=[float(n % 4), 1.0])
        for n in range(ITEMS)
    ]
    job.write("user_profiles", rows("user_profiles", *users))
    job.write("item_vectors", rows("item_vectors", *items))
    return job


def test_every_user_and_item_of_the_lake_gets_a_vector(filled):
    job = filled
    materialize_dataset.run(job)
    train_coldstart.run(job)
    found = job.read("tower_vectors").toPandas()
    assert sorted(found.loc[found["side"] == "user", "idx"]) == list(range(USERS))
    assert sorted(found.loc[found["side"] == "item", "idx"]) == list(range(ITEMS))
    assert np.isfinite(np.stack(found["vector"])).all()
    log = job.read("training_log").orderBy("epoch").collect()
    assert [row["epoch"] for row in log] == [1, 2]
    assert all(len(row["weights_sha256"]) == 64 for row in log)
    left = {one.name for one in train_coldstart.folder(job).iterdir()}
    assert left == {"lock", "processes.log", "spec.json", "training_log.jsonl"}, "all else is in the lake's tables"


def test_the_full_fold_trains_on_all_for_as_long_as_was_best_on_the_backtest_fold(job, rows):
    backtest = _fill(job.with_fold("backtest"), rows)
    materialize_dataset.run(backtest)
    log = [dict(epoch=n, loss=1.0, validation_loss=x, weights_sha256="") for n, x in ((1, 3.0), (2, 2.0), (3, 2.5))]
    backtest.write("training_log", rows("training_log", *log))
    full = _fill(job, rows)
    materialize_dataset.run(full)
    train_coldstart.run(full)
    held_out, all_of_them = (one.read("training_examples").where("part <> 'train'").count() for one in (backtest, full))
    assert held_out > all_of_them == 0
    assert not full.read("training_items").where("is_held_out").count()
    log = full.read("training_log").orderBy("epoch").collect()
    assert [(row["epoch"], row["validation_loss"]) for row in log] == [(1, None), (2, None)]
    assert launch.kept_epoch(log)["epoch"] == 2


def test_switched_off_it_writes_empty_tables(job):
    off = job.settings.model_copy(update={"coldstart": job.settings.coldstart.model_copy(update={"enabled": False})})
    train_coldstart.run(Job(off, job.spark, job.lake, "run-2"))
    assert job.lake.read("tower_vectors").count() == 0
    assert job.lake.read("training_log").count() == 0


def test_a_lake_behind_a_uri_trains_in_a_temporary_folder(job, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    remote = Job(job.settings, job.spark, Lake(job.spark, "s3a://bucket/lake"), "run-3")
    *_, models, lake, run, fold = train_coldstart.folder(remote).parts
    assert (models, run, fold) == (f"recsys-models-{os.getuid()}", "run-3", "full")
    assert lake != train_coldstart.models(Lake(job.spark, "s3a://bucket/other")).name
    trial = remote.lake.trial("7")
    assert train_coldstart.models(remote.lake) in train_coldstart.models(trial).parents, "gone with the lake's"


def test_copies_of_training_data_are_kept_where_no_other_user_looks(job, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lake, own = Lake(job.spark, "s3a://bucket/lake"), tmp_path / f"recsys-models-{os.getuid()}"
    own.mkdir(mode=0o755)
    assert own in train_coldstart.models(lake).parents
    assert own.stat().st_mode & 0o777 == 0o700
    own.rmdir()
    train_coldstart.models(lake)
    assert own.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: own.stat().st_uid + 1)
    (tmp_path / f"recsys-models-{os.getuid()}").mkdir()
    with pytest.raises(PrerequisiteError, match=r"recsys-models-\d+ is another user's"):
        train_coldstart.models(lake)


@pytest.mark.parametrize("found", ["file", "link"])
def test_copies_of_training_data_do_not_go_through_what_is_no_folder(job, tmp_path, monkeypatch, found):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = tmp_path / f"recsys-models-{os.getuid()}"
    own.write_text("") if found == "file" else own.symlink_to(tmp_path)
    with pytest.raises(PrerequisiteError, match="or no folder"):
        train_coldstart.models(Lake(job.spark, "s3a://bucket/lake"))


@pytest.fixture
def elsewhere(job, tmp_path, monkeypatch):
    """elsewhere("a b"): the run on a lake of that name in a store behind a URI; what lies there is below ``store``."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "store").mkdir()
    mounted = f"fs.viewfs.mounttable.{tmp_path.name.replace('_', '-')}.link./store"
    job.spark.sparkContext._jsc.hadoopConfiguration().set(mounted, (tmp_path / "store").as_uri())

    def on(name: str) -> Job:
        return replace(job, lake=Lake(job.spark, f"viewfs://{tmp_path.name.replace('_', '-')}/store/{name}"))

    return on


def test_a_lake_behind_a_uri_is_trained_on_and_keeps_nothing_else(elsewhere, rows, tmp_path):
    job = _fill(elsewhere("a%20lake [1]"), rows)
    materialize_dataset.run(job)
    train_coldstart.run(job)
    assert job.read("tower_vectors").count() == USERS + ITEMS
    assert job.read("tower_weights").count()
    assert not any(one.is_dir() for one in train_coldstart.folder(job).iterdir())
    assert not list((tmp_path / "store").rglob("models/run-1/full"))


def test_another_machine_goes_on_with_the_weights_that_are_kept(elsewhere, rows, monkeypatch):
    job = _fill(elsewhere("lake"), rows)
    materialize_dataset.run(job)
    write, trained = Job.write, []

    def stopped(self, name, frame):
        if name == "tower_vectors":
            trained.extend(frame.collect())
            raise KeyboardInterrupt
        return write(self, name, frame)

    monkeypatch.setattr(Job, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_coldstart.run(job)
    monkeypatch.setattr(Job, "write", write)
    shutil.rmtree(train_coldstart.folder(job))
    monkeypatch.setattr(train_coldstart, "train", None)
    train_coldstart.run(job)
    assert len(trained) == USERS + ITEMS
    by_place = {(row["side"], row["idx"]): row["vector"] for row in trained}
    for row in job.read("tower_vectors").collect():
        assert row["vector"] == pytest.approx(by_place.pop((row["side"], row["idx"])), abs=1e-5)
    assert not by_place


@pytest.mark.parametrize("local", [True, False], ids=["local", "uri"])
def test_a_run_id_with_colons_makes_paths_that_hadoop_takes(job, elsewhere, rows, tmp_path, local):
    lake = Lake(job.spark, str(tmp_path / "lake [1]")) if local else elsewhere("lake [1]").lake
    job = replace(job, lake=lake, run_id="scheduled__2024-06-01T00:00:00+00:00")
    made = train_coldstart.folder(job) / "tower_vectors"
    rows("tower_vectors", {"side": "user"}).write.parquet(f"file://{made}")
    assert train_coldstart._made(job, made).count() == 1
    assert ":" not in f"{made}{train_coldstart._staged(job).removeprefix(lake.root)}"


def test_a_run_that_is_taken_up_finds_the_files_that_it_copied(elsewhere, rows):
    job = _fill(elsewhere("lake"), rows)
    materialize_dataset.run(job)
    copied = train_coldstart._files(job, "training_users")
    times = [Path(urlparse(uri).path).stat().st_mtime_ns for uri in copied]
    half = Path(urlparse(copied[0]).path)
    whole = half.read_bytes()
    assert train_coldstart._files(job, "training_users") == copied
    assert [Path(urlparse(uri).path).stat().st_mtime_ns for uri in copied] == times
    half.write_bytes(whole[:10])
    train_coldstart._files(job, "training_users")
    assert half.read_bytes() == whole


def test_what_a_stopped_run_left_in_a_store_goes_with_the_models(elsewhere, tmp_path):
    job = elsewhere("lake")
    for folder in (tmp_path / "store" / "lake" / "models" / "run-1", train_coldstart.folder(job)):
        folder.mkdir(parents=True)
    train_coldstart.drop_models(job.lake)
    assert not (tmp_path / "store" / "lake" / "models").exists()
    assert not train_coldstart.models(job.lake).exists()


def test_executors_cannot_train_where_the_driver_alone_has_the_files(elsewhere):
    job = elsewhere("lake")
    towers = job.settings.coldstart.model_copy(update={"launcher": "spark"})
    job = replace(job, settings=job.settings.model_copy(update={"coldstart": towers}))
    with pytest.raises(SettingsError, match=r"coldstart\.launcher is spark, .* no folder that every executor"):
        train_coldstart.run(job)


@pytest.mark.parametrize("name", ["50%25 off", "item #1 ?"])
def test_a_local_lake_may_have_any_name(job, rows, tmp_path, monkeypatch, name):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    job = _fill(replace(job, lake=Lake(job.spark, str(tmp_path / name))), rows)
    materialize_dataset.run(job)
    train_coldstart.run(job)
    assert job.read("tower_vectors").count() == USERS + ITEMS

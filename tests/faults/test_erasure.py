"""Erasing users for real: no file of the lake holds their bytes afterwards, and nothing brings them back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from pyspark.sql import functions as F

from jobs import erase, ingest, refresh
from recsys_spark.contracts import ALL_TABLES, table
from recsys_spark.errors import NotFoundError, PrerequisiteError, SettingsError
from recsys_spark.lake import Commit, Lake, claim, current_release, require_not_ended, roll_back
from recsys_spark.lake.erase import _purge, as_word
from recsys_spark.lake.properties import statistics_properties
from tests.faults.shop_with_ids import ALL, AUGUST, GONE, JULY, STAYS, build, files_with
from tests.frames import local_frame

KEY = "a key of the tests that nothing may show"


def configured(folder, *lines: str) -> str:
    """A settings file for the lake in the folder, and the list of the one user to erase."""
    (folder / "ids.txt").write_text(f"{GONE}\n\n{GONE} \n")
    conf = folder / "shop.yaml"
    conf.write_text("\n".join([f"lake: {{path: {folder}/lake}}", *lines]))
    return str(conf)


def arguments(folder, run_id: str) -> list[str]:
    return ["--conf", f"{folder}/shop.yaml", "--user-ids", f"{folder}/ids.txt", "--run-id", run_id]


def users_of(lake, name, fold="full"):
    title = name if fold == "full" else f"{fold}/{name}"
    return sorted(row["user_id"] for row in current_release(lake).read(lake, title).select("user_id").collect())


@pytest.fixture(scope="module")
def erased(spark, tmp_path_factory):
    """A lake after `recsys erase` of one of its two users."""
    folder = tmp_path_factory.mktemp("erased")
    lake = build(spark, folder / "lake")
    claim(lake, Commit("ingesting", "full", "", "s"))
    for copy in (f"models/{AUGUST}/full/tower_vectors", "trials/1/events"):
        (folder / "lake" / copy).mkdir(parents=True)
        (folder / "lake" / copy / "part-00000.parquet").write_bytes(GONE.encode())
    before = files_with(folder / "lake", GONE)
    configured(folder)
    assert erase.main([*arguments(folder, "forget"), "--as-of", "2024-09-01"]) == 0
    return lake, folder / "lake", before


def test_no_file_of_the_lake_holds_the_user(erased):
    _, root, before = erased
    logged = "events/_delta_log/00000000000000000000.json"
    for place in (logged, "events/part-", "quarantine/part-", "models/", "trials/"):
        assert any(name.startswith(place) for name in before), f"the search must find what is there: {place}"
    assert files_with(root, GONE) == []


def test_readers_see_the_others_under_the_erasures_release(erased):
    lake, *_ = erased
    assert current_release(lake).run_id == "forget"
    assert users_of(lake, "events") == users_of(lake, "user_profiles") == [STAYS]
    vectors = {(r["side"], r["idx"]) for r in current_release(lake).read(lake, "tower_vectors").collect()}
    assert vectors == {("user", 0), ("item", 0), ("item", 1)}, "an item at the user's position stays"
    assert current_release(lake).read(lake, "quarantine").count() == 1


def test_the_erasure_is_on_record_without_the_id(erased):
    lake, *_ = erased
    [row] = lake.read("erasures").collect()
    assert (row["run_id"], row["n_users"], row["digests"]) == ("forget", 1, [])
    assert row["rows_erased"] == {"events": 1, "quarantine": 2, "user_profiles": 1, "tower_vectors": 1}
    assert lake.read("erasures").where("asked_at = timestamp'2024-09-01'").count() == 1


def test_no_earlier_release_can_be_read_or_returned_to(erased):
    lake, *_ = erased
    withdrawn = {r["run_id"]: r["detail"] for r in lake.read("releases").where("state = 'withdrawn'").collect()}
    assert withdrawn.keys() == {JULY, AUGUST}
    assert "removed the files" in withdrawn[JULY]
    with pytest.raises(NotFoundError, match="cannot be read at version 0"):
        lake.read("events", 0)
    with pytest.raises(NotFoundError, match="below forget there are: none"):
        roll_back(lake, JULY, Commit("back", "full", "", "s"))


def test_a_run_that_had_not_published_may_not_go_on(erased):
    lake, *_ = erased
    for run_id in ("half-done", "ingesting"):
        told = rf"run {run_id} was started before the erasure forget .* take another"
        with pytest.raises(SettingsError, match=told):
            require_not_ended(lake, run_id)
    require_not_ended(lake, "a new one")
    assert [row["ended_runs"] for row in lake.read("erasures").collect()] == [["half-done", "ingesting"]]


def test_no_refresh_goes_by_the_run_id_of_an_erasure(erased, capsys):
    _, root, _ = erased
    assert refresh.main(["--conf", f"{root.parent}/shop.yaml", "--run-id", "forget"]) == 2
    assert "run id forget is that of an erasure; take another --run-id" in capsys.readouterr().err


def test_a_repeat_ends_well_and_its_run_id_erases_nobody_else(erased, capsys):
    lake, root, _ = erased
    assert erase.main(arguments(root.parent, "forget")) == 0
    for others in (f"{STAYS}\n", f"{GONE}\nanother\n"):
        (root.parent / "others.txt").write_text(others)
        asked = ["--conf", f"{root.parent}/shop.yaml", "--user-ids", f"{root.parent}/others.txt", "--run-id", "forget"]
        assert erase.main(asked) == 2
        assert "take another --run-id" in capsys.readouterr().err
    assert users_of(lake, "events") == [STAYS]


def test_a_run_id_of_a_refresh_erases_nobody_and_says_so(spark, tmp_path, capsys):
    lake = build(spark, tmp_path / "lake")
    claim(lake, Commit("ingesting", "full", "", "s"))
    left = [tmp_path / "lake" / name / "left" for name in ("models", "trials")]
    for folder in left:
        folder.mkdir(parents=True)
    configured(tmp_path)
    for used in (AUGUST, "half-done", "ingesting"):
        assert erase.main(arguments(tmp_path, used)) == 2
        assert f"run id {used} was used" in capsys.readouterr().err
    assert users_of(lake, "events") == [STAYS, GONE]
    assert lake.read("events", 0).count() == 2
    assert all(folder.exists() for folder in left), "a run that was stopped can be taken up"


def test_an_erasure_that_was_cut_short_may_not_go_on_after_another_run_has_written(
    spark, tmp_path, monkeypatch, capsys
):
    lake = build(spark, tmp_path / "lake")
    configured(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Lake, "append", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase.main(arguments(tmp_path, "forget"))
    lake.overwrite("events", lake.read("events", 1), Commit("september", "full", "", "s"))
    assert erase.main(arguments(tmp_path, "forget")) == 9
    assert "september has written since; erase again under another --run-id" in capsys.readouterr().err
    assert erase.main(arguments(tmp_path, "again")) == 0
    assert files_with(tmp_path / "lake", GONE) == []


def test_the_log_is_purged_only_below_a_checkpoint(spark, tmp_path, rows, monkeypatch):
    lake = Lake(spark, str(tmp_path))
    for run_id in (JULY, AUGUST):
        lake.overwrite("user_factors", rows("user_factors", {"user_id": run_id}), Commit(run_id, "full", "", "s"))
    log = tmp_path / "user_factors" / "_delta_log"
    with monkeypatch.context() as patched:
        patched.setitem(_purge.__globals__, "_write_checkpoint", lambda *_: None)
        with pytest.raises(PrerequisiteError, match=r"user_factors: .* no checkpoint at version 1"):
            _purge(lake, "user_factors", 1)
    assert (log / f"{0:020d}.json").exists()
    _purge(lake, "user_factors", 1)
    assert not (log / f"{0:020d}.json").exists()
    spark.sparkContext._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert [row["user_id"] for row in lake.read("user_factors", 1).collect()] == [AUGUST]


def test_a_lake_or_a_list_that_is_not_there_is_told(spark, tmp_path, capsys):
    configured(tmp_path)
    assert erase.main(arguments(tmp_path, "forget")) == 5
    assert "check lake.path" in capsys.readouterr().err
    assert not (tmp_path / "lake").exists()
    (tmp_path / "ids.txt").write_text("\n \n")
    assert erase.main(arguments(tmp_path, "forget")) == 4
    assert "holds no user id" in capsys.readouterr().err


def test_an_id_is_found_in_a_text_as_a_word_of_its_own(spark):
    ids, texts = (
        ("7", 'a"b\\c', "x.y|z", "12345678"),
        ('{"user_id":"7"}', '{"user_id":"a\\"b\\\\c"}', "1;x.y|z;", '{"user_id":1.2345678E7}'),
    )
    others = "77;x.y|zz;ab;xay|z;1.23456781E7"
    pairs = local_frame(spark, [(i, t) for t in (*texts, others) for i in ids], "user_id string, text string")
    found = pairs.where(F.regexp_like("text", as_word(F.col("user_id")))).collect()
    assert {(r["user_id"], r["text"]) for r in found} == set(zip(ids, texts, strict=True))


def test_every_column_that_leads_to_a_user_is_marked_in_its_contract():
    expected = {"user_id": "id", "user_idx": "position", "raw_row": "text", "event_id": "trace", "session_id": "trace"}
    for contract in ALL_TABLES.values():
        noted = statistics_properties(contract).get("delta.dataSkippingStatsColumns", "").split(",")
        for field in contract.fields:
            assert field.personal == expected.get(field.name, field.personal), f"{contract.name}.{field.name}"
            assert not (field.personal and field.name in noted), f"the log would hold {contract.name}.{field.name}"


@pytest.mark.faults
def test_every_table_of_both_folds_forgets_the_user(spark, tmp_path):
    lake = build(spark, tmp_path / "lake", ALL, ("full", "backtest"))
    configured(tmp_path)
    assert erase.main(arguments(tmp_path, "forget")) == 0
    assert files_with(tmp_path / "lake", GONE) == []
    release = current_release(lake)
    for fold in ("full", "backtest"):
        for name in ALL:
            if table(name).personal("id"):
                assert users_of(lake, name, fold) == [STAYS], f"{fold}/{name}"
            elif name.startswith("training"):
                title = name if fold == "full" else f"{fold}/{name}"
                assert [r["user_idx"] for r in release.read(lake, title).collect()] == [0], f"{fold}/{name}"


@pytest.mark.faults
@pytest.mark.parametrize("stage", ["user_profiles", "releases", "purge"])
def test_an_erasure_that_is_killed_ends_when_it_is_run_again(spark, tmp_path, stage):
    """SIGKILL once the erasure has written a table, moved readers, or begun to purge."""
    lake = build(spark, tmp_path / "lake")
    conf = configured(tmp_path, "spark: {master: 'local[2]', driver_memory: 1g, shuffle_partitions: 2}")
    reached = {
        "user_profiles": lambda: _commits(tmp_path, "user_profiles") > 2,
        "releases": lambda: _commits(tmp_path, "releases") > 2,
        "purge": lambda: not (tmp_path / "lake/events/_delta_log/00000000000000000000.json").exists(),
    }[stage]
    command = [sys.executable, "-m", "jobs.cli", "erase", *arguments(tmp_path, "forget")]
    assert conf in command
    with (tmp_path / "killed.log").open("wb") as sink:
        driver = subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=True)
        while not reached() and driver.poll() is None:
            time.sleep(0.05)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    assert users_of(lake, "events") in ([STAYS], [STAYS, GONE]), "readers see one of the two releases"
    spark.sparkContext._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert erase.main(arguments(tmp_path, "forget")) == 0
    assert files_with(tmp_path / "lake", GONE) == []
    assert users_of(lake, "events") == [STAYS]
    assert lake.read("erasures").count() == 1
    assert lake.read("releases").where("run_id = 'forget'").count() == 1


def _commits(folder, name):
    return len(list((folder / "lake" / name / "_delta_log").glob("*.json")))


@pytest.mark.faults
def test_with_a_key_the_source_cannot_bring_the_user_back(spark, tmp_path, monkeypatch):
    """Ingest, erase, and ingest again from a source that still has the user."""
    monkeypatch.setenv("SHOP_KEY", KEY)
    seen = [{"user_id": u, "item_id": "i", "event_type": "view", "ts": "2024-01-01T10:00:00"} for u in (GONE, STAYS)]
    refused = [{"user_id": GONE, "item_id": "i", "event_type": "view", "ts": "never"}]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, seen + refused)) + f'\n{{"user_id": "{GONE}"')
    conf = configured(
        tmp_path,
        "privacy: {pseudonym_key: env:SHOP_KEY}",
        f"source: {{kind: files, events: {{path: {tmp_path}/events.jsonl, format: jsonl}}}}",
    )
    lake = Lake(spark, f"{tmp_path}/lake")
    assert ingest.main(["--conf", conf, "--run-id", "monday"]) == 0
    assert (lake.read("events").count(), lake.read("quarantine").count()) == (2, 2)
    assert files_with(tmp_path / "lake", GONE) == files_with(tmp_path / "lake", STAYS) == []
    assert erase.main(arguments(tmp_path, "forget")) == 0
    assert (lake.read("events").count(), lake.read("quarantine").count()) == (1, 1)
    assert ingest.main(["--conf", conf, "--run-id", "tuesday"]) == 0
    assert (lake.read("events").count(), lake.read("users").count(), lake.read("quarantine").count()) == (1, 1, 1)
    [row] = lake.read("erasures").collect()
    assert len(row["digests"]) == 1
    assert files_with(tmp_path / "lake", KEY) == []

"""The key of the pseudonyms: found by reference, shown nowhere."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import types

import pytest

from jobs.hiding import keys_of_lake
from jobs.reading import Reading
from recsys_spark.config import load_settings
from recsys_spark.config.running import PrivacySettings
from recsys_spark.errors import SettingsError
from recsys_spark.kernels.pseudonym import Key
from recsys_spark.lake import Commit, Lake
from recsys_spark.secret import keys_of
from tests.conftest import at
from tests.faults.shop_with_ids import GONE, STAYS, files_with

KEY = "CANARY-of-the-pseudonyms-5f1d"
FORMS = (KEY, KEY.encode().hex(), base64.b64encode(KEY.encode()).decode()[:-4], repr(list(KEY.encode()))[1:-1])
PRIVACY = PrivacySettings(pseudonym_key="env:SHOP_KEY")


def test_a_user_is_shown_by_the_original_id(monkeypatch, rows):
    monkeypatch.setenv("SHOP_KEY", KEY)
    pseudonym = Key(KEY.encode()).pseudonym("u1")
    monkeypatch.setattr(Reading, "table", lambda *_: rows("users", {"user_id": pseudonym}))
    assert Reading(None, None, PRIVACY).user_id("u1") == pseudonym
    assert Reading(None, None, PrivacySettings()).user_id("u1") == "u1"


def test_a_key_in_the_place_of_its_reference_is_refused_and_not_shown(tmp_path):
    (tmp_path / "shop.yaml").write_text(f"privacy: {{pseudonym_key: {KEY}}}")
    with pytest.raises(SettingsError, match=r"privacy\.pseudonym_key") as refused:
        load_settings(tmp_path / "shop.yaml")
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("found", [None, "too short"])
def test_a_key_that_is_missing_or_short_is_refused_and_not_shown(monkeypatch, found):
    monkeypatch.delenv("SHOP_KEY", raising=False)
    if found:
        monkeypatch.setenv("SHOP_KEY", found)
    with pytest.raises(SettingsError, match=r"privacy\.pseudonym_key.*SHOP_KEY") as refused:
        keys_of(PRIVACY)
    assert "too short" not in str(refused.value)


def test_a_secret_scope_is_asked_where_there_is_one(monkeypatch):
    privacy = PrivacySettings(pseudonym_key="scope:shop/pseudonyms")
    with pytest.raises(SettingsError, match="on Databricks alone"):
        keys_of(privacy)
    runtime = types.ModuleType("databricks.sdk.runtime")
    runtime.dbutils = types.SimpleNamespace(
        secrets=types.SimpleNamespace(get=lambda scope, key: f"{scope} {key} {KEY}")
    )
    for name in ("databricks", "databricks.sdk", "databricks.sdk.runtime"):
        monkeypatch.setitem(sys.modules, name, runtime)
    assert keys_of(privacy) == (Key(f"shop pseudonyms {KEY}".encode()),)
    assert KEY not in repr(keys_of(privacy))


@pytest.mark.faults
def test_the_key_and_the_ids_are_in_no_output_event_log_commit_or_file(tmp_path):
    """A whole ingest with Spark's event log on, watched: temporary files are searched while they are there."""
    source, work = tmp_path / "source", tmp_path / "work"
    for folder in (source, work / "events", work / "local"):
        folder.mkdir(parents=True)
    seen = [{"user_id": u, "item_id": "i", "event_type": "view", "ts": "2024-01-01T10:00:00"} for u in (GONE, STAYS)]
    refused = {"user_id": GONE, "item_id": "i", "event_type": "view", "ts": "never"}
    (source / "events.jsonl").write_text("\n".join(map(json.dumps, [*seen, refused])) + f'\n{{"user_id": "{GONE}"')
    (source / "shop.yaml").write_text(SETTINGS.format(work=work, source=source))
    command = [sys.executable, "-m", "jobs.cli", "ingest", "--conf", f"{source}/shop.yaml", "--run-id", "watched"]
    with (work / "output.log").open("wb") as sink:
        ingest = subprocess.Popen(command, stdout=sink, stderr=sink, env={**os.environ, "SHOP_KEY": KEY})
        while ingest.poll() is None:
            assert files_with(work, KEY) == [], "also not in what Spark writes and removes again"
            time.sleep(1)
    assert ingest.returncode == 0, (work / "output.log").read_text()
    assert [name for text in (*FORMS, GONE, STAYS) for name in files_with(work, text)] == []
    assert files_with(work / "lake", Key(KEY.encode()).pseudonym(STAYS)), "the search finds what is there"
    log = "".join(path.read_text() for path in (work / "events").rglob("*") if path.is_file())
    assert "ArrowEvalPython" in log, "the event log holds the plans that use the key"


SETTINGS = """
lake: {{path: {work}/lake}}
privacy: {{pseudonym_key: env:SHOP_KEY}}
source: {{kind: files, events: {{path: {source}/events.jsonl, format: jsonl}}}}
spark:
  master: local[2]
  driver_memory: 1g
  shuffle_partitions: 2
  extra:
    spark.eventLog.enabled: "true"
    spark.eventLog.compress: "false"
    spark.eventLog.dir: {work}/events
    spark.local.dir: {work}/local
"""


def test_a_key_that_did_not_make_the_ids_of_the_lake_is_refused(tmp_path, monkeypatch, spark, rows):
    """With another key every user would be a new one, and an erasure would find nobody."""
    lake, made_with = Lake(spark, str(tmp_path)), Key(KEY.encode())
    monkeypatch.setenv("OLD_KEY", KEY)
    monkeypatch.setenv("SHOP_KEY", f"{KEY} mistyped")
    assert len(keys_of_lake(lake, PRIVACY)) == 1, "a lake without users takes any key"

    event = rows("events", {"user_id": made_with.pseudonym("u1"), "ts": at("2024-01-01")})
    lake.overwrite("events", event, Commit("monday", "full", "", "s", key_mark=made_with.mark))
    lake.overwrite("events", event, Commit("tuesday", "full", "", "s"))
    for privacy in (PRIVACY, PrivacySettings()):
        with pytest.raises(SettingsError, match="made with another key"):
            keys_of_lake(lake, privacy)
    rotated = PrivacySettings(pseudonym_key="env:SHOP_KEY", retired_keys=("env:OLD_KEY",))
    assert keys_of_lake(lake, rotated)[1] == made_with
    assert KEY not in made_with.mark

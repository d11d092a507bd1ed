"""Erasing users for real: no file of the lake holds their bytes afterwards, and nothing brings them back."""

from __future__ import annotations

import pytest

from jobs import erase as erase_job
from jobs.pipeline import run_steps
from recsys_spark.contracts import ALL_TABLES
from recsys_spark.errors import NotFoundError, SettingsError
from recsys_spark.lake import Commit, Lake, current_release, require_not_ended, roll_back
from tests.faults.shop_with_ids import ALL, AUGUST, GONE, STAYS, build, files_with


@pytest.fixture
def erased(spark, tmp_path, capfd):
    """A lake after `recsys erase` of one of its two users, and what the command printed."""
    lake = build(spark, tmp_path / "lake")
    stray = tmp_path / "lake" / "models" / AUGUST / "full" / "tower_vectors" / "part-00000.parquet"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(GONE.encode())
    assert files_with(tmp_path / "lake", GONE), "the search must find what is there"
    assert run(tmp_path, "forget", GONE) == 0
    return lake, capfd.readouterr()


def run(folder, run_id, *user_ids, **privacy):
    (folder / "ids.txt").write_text("\n".join([*user_ids, ""]))
    conf = folder / "shop.yaml"
    conf.write_text(f"lake: {{path: {folder}/lake}}\n" + (f"privacy: {privacy}\n" if privacy else ""))
    ids = str(folder / "ids.txt")
    return erase_job.main(["--conf", str(conf), "--user-ids", ids, "--run-id", run_id, "--as-of", "2024-09-01"])


def users_of(lake, name):
    return sorted(row["user_id"] for row in current_release(lake).read(lake, name).collect())


def test_no_file_of_the_lake_holds_the_user_and_readers_see_the_others(erased, tmp_path):
    lake, printed = erased
    assert files_with(tmp_path / "lake", GONE) == [f"quarantine/{one}" for one in _longer_words(tmp_path)]
    assert GONE not in printed.out + printed.err
    for name in ("users", "events", "user_profiles", "recommendations"):
        assert users_of(lake, name) == [STAYS]
    vectors = {(r["side"], r["idx"]) for r in current_release(lake).read(lake, "tower_vectors").collect()}
    assert vectors == {("user", 0), ("item", 0), ("item", 1)}, "an item at the user's position stays"


def _longer_words(tmp_path):
    """Files of the row in which the id is only a part of another word; that is not this user's."""
    return [one.removeprefix("quarantine/") for one in files_with(tmp_path / "lake", f"x{GONE}")]

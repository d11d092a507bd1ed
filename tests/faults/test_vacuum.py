"""A vacuum while a reader is at work: one that is too short is refused, one that is long enough disturbs nobody."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from jobs import vacuum as vacuum_job
from recsys_spark.errors import NotFoundError, SettingsError
from recsys_spark.lake import Commit, Lake, Release, current_release, publish, roll_back, vacuum
from tests.conftest import at

FILES, HOURS = 4, 168.0


@pytest.fixture
def lake(spark, tmp_path):
    """A lake whose release holds factors in several files, which a second release has replaced."""
    return Lake(spark, str(tmp_path / "lake"))


def written(lake, rows, run_id: str) -> int:
    frame = rows("user_factors", *[{"user_id": f"{run_id}-{n}"} for n in range(FILES)])
    return lake.overwrite("user_factors", frame.repartition(FILES), Commit(run_id, "full", "", "s"))


def published(lake, rows, run_id: str) -> None:
    tables = {"user_factors": written(lake, rows, run_id)}
    release = Release(run_id, at("2024-07-01"), "", "", tables, "m", "s", "{}", {})
    publish(lake, release, Commit(run_id, "full", "", "s"))


def begun(lake):
    """A reader that has pinned a release and has its first row: the other files it opens as it goes on."""
    spark = lake.spark
    spark.conf.set("spark.sql.files.openCostInBytes", "1g")  # one task a file, so that files are opened one by one
    try:
        rows = current_release(lake).read(lake, "user_factors").toLocalIterator()
        return [row["user_id"] for row in islice(rows, 1)], rows
    finally:
        spark.conf.unset("spark.sql.files.openCostInBytes")


def files(tmp_path) -> set[str]:
    return {str(path) for path in tmp_path.rglob("*.parquet")}


def test_a_pinned_reader_finishes_while_its_files_are_replaced_and_vacuumed(lake, rows):
    published(lake, rows, "july")
    first, rest = begun(lake)
    published(lake, rows, "august")
    assert vacuum(lake, HOURS, 48.0)["user_factors"]
    assert sorted([*first, *(row["user_id"] for row in rest)]) == [f"july-{n}" for n in range(FILES)]


@pytest.mark.faults
def test_without_the_bound_a_vacuum_would_take_the_files_from_under_the_reader(lake, rows):
    published(lake, rows, "july")
    _, rest = begun(lake)
    published(lake, rows, "august")
    assert vacuum(lake, 0.0, 0.0)["user_factors"]
    with pytest.raises((PySparkException, Py4JJavaError), match="FAILED_READ_FILE"):
        list(rest)


def test_nobody_is_sent_back_to_a_release_whose_files_are_gone(lake, rows):
    for run_id in ("july", "august"):
        published(lake, rows, run_id)
    vacuum(lake, 0.0, 0.0)
    with pytest.raises(NotFoundError, match=r"user_factors cannot be read at version 0: \d of its \d files are gone"):
        roll_back(lake, None, Commit("back", "full", "", "s"))
    assert current_release(lake).run_id == "august"


def test_a_vacuum_shorter_than_the_longest_job_is_refused_and_removes_nothing(lake, rows, tmp_path, capsys):
    for run_id in ("july", "august"):
        published(lake, rows, run_id)
    before = files(tmp_path)
    with pytest.raises(SettingsError, match=r"keeps files for 24 hours was refused: .*longest_job_hours, 48"):
        vacuum(lake, 24.0, 48.0)
    (tmp_path / "shop.yaml").write_text(f"lake: {{path: {lake.root}, retention_hours: 1}}")
    assert vacuum_job.main(["--conf", f"{tmp_path}/shop.yaml"]) == 2
    assert "Nothing was removed" in capsys.readouterr().err
    assert files(tmp_path) == before


def test_what_readers_see_stays_whole_below_a_newer_version(lake, rows, tmp_path, capsys):
    published(lake, rows, "july")
    written(lake, rows, "not published")
    conf = tmp_path / "shop.yaml"
    conf.write_text(f"lake: {{path: {lake.root}, retention_hours: 0.0001, longest_job_hours: 0.0001}}")
    assert vacuum_job.main(["--conf", str(conf)]) == 0
    assert "left alone: user_factors" in capsys.readouterr().out
    assert current_release(lake).read(lake, "user_factors").count() == FILES


def test_what_readers_see_stays_whole_below_what_an_update_that_died_has_deleted(lake, rows, monkeypatch):
    published(lake, rows, "july")
    monkeypatch.setattr(Lake, "append", lambda *_: 1 / 0)
    gone, base = rows("user_factors", {"user_id": "july-0"}), current_release(lake).tables["user_factors"]
    with pytest.raises(ZeroDivisionError):
        lake.replace_users("user_factors", gone, gone, Commit("august", "full", "", "s"), base)
    assert not vacuum(lake, 0.0, 0.0)["user_factors"]
    assert current_release(lake).read(lake, "user_factors").count() == FILES


@pytest.mark.parametrize("hours", [".inf", "0", "1e9"])
def test_a_retention_that_no_table_can_be_told_is_refused(tmp_path, capsys, hours):
    (tmp_path / "shop.yaml").write_text(f"lake: {{retention_hours: {hours}}}")
    assert vacuum_job.main(["--conf", f"{tmp_path}/shop.yaml"]) == 2
    assert "lake.retention_hours" in capsys.readouterr().err


def test_a_longer_retention_is_told_to_the_tables_there_are_in_one_commit(lake, rows, tmp_path, capsys):
    published(lake, rows, "july")
    conf = tmp_path / "shop.yaml"
    conf.write_text(f"lake: {{path: {lake.root}, retention_hours: 720}}")
    for _ in range(2):
        assert vacuum_job.main(["--conf", str(conf)]) == 0
        assert "left alone" not in capsys.readouterr().out
    assert lake.properties("user_factors")["delta.deletedFileRetentionDuration"] == "interval 720 hours"
    log = [path.read_text() for path in Path(lake.path("user_factors"), "_delta_log").glob("*.json")]
    assert sum('"SET TBLPROPERTIES"' in entry for entry in log) == 1

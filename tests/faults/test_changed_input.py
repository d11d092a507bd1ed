"""A run keeps its source, its as-of time and its settings: others under its id are refused, and nothing changes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jobs import ingest, refresh, train_als
from jobs.context import Job
from jobs.pipeline import Step, run_steps
from recsys_spark.config import load_settings
from recsys_spark.config.source import SourceSettings
from recsys_spark.errors import SourceError
from recsys_spark.lake import Lake
from recsys_spark.sources.fingerprint import fingerprint
from tests.frames import local_frame


@pytest.fixture
def shop(tmp_path):
    """A folder of events in two files, and a settings file."""
    for day in (1, 2):
        write_day(tmp_path, day)
    source = f"{{kind: files, events: {{path: {tmp_path}/events, format: jsonl}}}}"
    (tmp_path / "shop.yaml").write_text(f"lake: {{path: {tmp_path}/lake}}\nsource: {source}\n")
    return tmp_path


def write_day(folder: Path, day: int, item: str = "i") -> None:
    row = {"user_id": "u", "item_id": item, "event_type": "purchase", "ts": f"2024-01-0{day}T10:00:00"}
    (folder / "events").mkdir(exist_ok=True)
    (folder / "events" / f"{day}.jsonl").write_text(json.dumps(row))


def arguments(folder: Path, *more: str) -> list[str]:
    return ["--conf", str(folder / "shop.yaml"), "--run-id", "nightly", *more]


def contents(folder: Path) -> dict[str, int]:
    """Every file of the lake with its time of change."""
    return {str(path): path.stat().st_mtime_ns for path in (folder / "lake").rglob("*")}


def test_what_has_changed_since_a_run_began_is_named_and_nothing_is_written(shop, spark, capsys):
    assert ingest.main(arguments(shop)) == 0
    before = contents(shop)

    def refused(code: int, told: str, *more: str) -> None:
        for job in (refresh, ingest):
            assert job.main(arguments(shop, *more)) == code
            assert told in capsys.readouterr().err
        assert contents(shop) == before

    refused(2, "started as of 2024-01-02T10:00:01", "--as-of", "2024-01-01T12:00:00")
    refused(2, "started with other settings", "--set", "als.rank=8")
    assert train_als.main(arguments(shop, "--set", "als.rank=8")) == 2
    assert "started with other settings" in capsys.readouterr().err
    assert train_als.main(arguments(shop)) == 5, "the run's own settings are taken"
    write_day(shop, 3)
    refused(4, "the source has changed since run nightly read it")
    (shop / "events" / "3.jsonl").unlink()
    write_day(shop, 2, item="j")
    refused(4, "take another --run-id")
    assert [r.item_id for r in Lake(spark, str(shop / "lake")).read("events").collect()] == ["i", "i"]


def test_a_run_whose_steps_have_all_read_the_source_goes_on_when_it_changes(shop, spark):
    assert ingest.main(arguments(shop)) == 0
    write_day(shop, 3)
    settings = load_settings(shop / "shop.yaml")
    job = Job(settings, spark, Lake(spark, settings.lake.path), "nightly")
    run_steps(job, [Step("ingest", "full")])
    with pytest.raises(SourceError, match="the source has changed since run nightly read it"):
        run_steps(job, [Step("ingest", "full"), Step("build_profiles", "full")])


def test_a_wrong_filter_is_told_before_the_first_step(shop, capsys):
    (shop / "shop.yaml").open("a").write("rank: {shelves: [{name: acme, filter: brnd = 'Acme'}]}\n")
    assert refresh.main(arguments(shop)) == 2
    assert "the filter of shelf acme is \"brnd = 'Acme'\"" in capsys.readouterr().err
    assert not contents(shop)


def test_a_delta_source_changes_with_its_commits_alone(spark, tmp_path):
    frame = local_frame(spark, [("u", "i")], "user_id string, item_id string")
    frame.write.format("delta").save(str(tmp_path / "events"))
    settings = SourceSettings.model_validate(
        {"kind": "files", "events": {"path": str(tmp_path / "events"), "format": "delta"}}
    )
    first = fingerprint(spark, settings)
    os.utime(next((tmp_path / "events").glob("*.parquet")), (0, 0))
    assert fingerprint(spark, settings) == first
    frame.write.format("delta").mode("append").save(str(tmp_path / "events"))
    assert fingerprint(spark, settings) != first


@pytest.mark.parametrize("kind", ["synthetic", "completejourney"])
def test_a_source_without_files_stays_what_it_is(spark, kind):
    settings = SourceSettings.model_validate({"kind": kind})
    assert fingerprint(spark, settings) == fingerprint(spark, settings)

"""Whether a refresh learns anew or brings the current release up to date."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.base import CHANGED, NEEDED, with_base
from jobs.context import Job
from recsys_spark.config.load import settings_json
from recsys_spark.config.settings import Settings
from recsys_spark.errors import SettingsError
from recsys_spark.lake import Commit, Lake, Release, publish

LEARNED = datetime(2024, 5, 1, tzinfo=UTC)
RELEASED = datetime(2024, 5, 4, tzinfo=UTC)
COMPARING = {"blocks": {"enabled": ["popularity", "similar_users"]}}
FILLING = {"cleaning": {"fill_measures": "mean"}}
WEEKLY = {"refresh": {"full_every_days": 7}}


def shop(path: str, **events) -> dict:
    """Settings of a source of files whose events are read as told."""
    return {"source": {"kind": "files", "events": {"path": path, **events}}}


@pytest.fixture
def lake(spark, tmp_path):
    return Lake(spark, str(tmp_path))


@pytest.fixture
def released(lake, rows):
    """released(settings, **tables): a release that an update of a full refresh made; tables to leave out are None."""

    def make(settings: Settings, left_out: str = "") -> None:
        for name in ("route_weights", *CHANGED):
            lake.overwrite(name, rows(name), Commit("full", "full", LEARNED.isoformat(), "s"))
        tables = {name: 0 for name in NEEDED if name != left_out}
        made = Release("update", RELEASED, "", "", tables, "", "s", settings_json(settings), {})
        publish(lake, made, Commit("update", "full", RELEASED.isoformat(), "s"))

    return make


def job(lake, days: int = 5, mode: str = "auto", **settings: dict) -> Job:
    """A run as of some days after what is learned."""
    as_of = LEARNED + timedelta(days=days)
    arguments = Namespace(as_of=as_of, mode=mode)
    return Job(Settings(**settings), lake.spark, lake, "next", as_of, arguments=arguments)


def test_within_the_days_of_the_setting_a_release_is_brought_up_to_date(lake, released):
    released(Settings(**WEEKLY))
    base = with_base(job(lake, **WEEKLY)).base
    assert (base.release.run_id, base.learned_as_of, base.everyone) == ("update", LEARNED, False)
    assert with_base(job(lake, days=7, **WEEKLY)).base is None
    assert with_base(job(lake, days=7, mode="rescore", **WEEKLY)).base.everyone
    assert with_base(job(lake, mode="full", **WEEKLY)).base is None


@pytest.mark.parametrize("days", [float("inf"), 1e10])
def test_where_the_setting_allows_any_age_every_refresh_is_an_update(lake, released, days):
    released(Settings(**WEEKLY))
    assert with_base(job(lake, days=700, refresh={"full_every_days": days})).base is not None


def test_a_rescore_that_is_taken_up_goes_on_as_one(lake, released, rows):
    released(Settings(**WEEKLY))
    with_base(job(lake, mode="rescore", **WEEKLY)).write("events", rows("events"))
    assert with_base(job(lake, **WEEKLY)).base.everyone
    assert with_base(job(lake, mode="update", **WEEKLY)).base.everyone


@pytest.mark.parametrize(("last", "based"), [(RELEASED - timedelta(days=1), False), (RELEASED, True)])
def test_a_source_that_ends_before_the_release_is_not_brought_below_it(lake, released, tmp_path, last, based):
    event = {"user_id": "u", "item_id": "i", "event_type": "view", "ts": last.isoformat()}
    (tmp_path / "events.jsonl").write_text(json.dumps(event))
    source = {"kind": "files", "events": {"path": f"{tmp_path}/events.jsonl", "format": "jsonl"}}
    released(Settings(source=source, **WEEKLY))
    for mode in ("auto", "update"):
        run = job(lake, mode=mode, source=source, **WEEKLY)
        run.arguments.as_of = None
        if based:
            assert with_base(run).base is not None
        elif mode == "auto":
            assert with_base(run).base is None
        else:
            with pytest.raises(SettingsError, match="release update is of a later time"):
                with_base(run)


def test_without_the_setting_every_refresh_is_a_full_one(lake, released):
    released(Settings())
    assert with_base(job(lake)).base is None
    assert with_base(job(lake, mode="update")).base.release.run_id == "update"


def test_settings_that_only_say_where_and_when_may_differ(lake, released):
    released(Settings(spark={"shuffle_partitions": 99}, audit={"max_row_fall": 0.1}, **shop("a")))
    assert with_base(job(lake, **shop("b", format="csv"), **WEEKLY)).base is not None


@pytest.mark.parametrize(
    ("then", "now", "days", "why"),
    [
        ({}, {"als": {"rank": 8}}, 5, "settings are others"),
        (shop("a"), shop("a", columns={"ts": "paid_at"}), 5, "settings are others"),
        (shop("a"), shop("a", event_types={"sale": "purchase"}), 5, "settings are others"),
        ({}, {}, 2, "of a later time"),
        (COMPARING, COMPARING, 5, "compares every user"),
        (FILLING, FILLING, 5, "hang on all others"),
    ],
)
def test_what_speaks_against_an_update_is_told(lake, released, then, now, days, why):
    released(Settings(**then))
    with pytest.raises(SettingsError, match=why):
        with_base(job(lake, days, "update", **now))
    assert with_base(job(lake, days, **now, **WEEKLY)).base is None


def test_a_release_of_an_earlier_version_of_the_program_is_no_base(lake, released):
    released(Settings(), left_out="attribute_maps")
    with pytest.raises(SettingsError, match="has no table attribute_maps"):
        with_base(job(lake, mode="update"))


EARLIER = {
    "blocks": "block string, start int, width int",
    "boosts": "user_id string, item_id string, scorer string, value double",
    "item_neighbours": "item_id string, other_id string, similarity double",
    "training_log": "epoch int, loss double, validation_recall double, weights_sha256 string",
}
"""Columns of tables as earlier versions of the program laid them out."""
STATISTICS = {"boosts": {"delta.dataSkippingStatsColumns": "item_id,scorer,value"}}
"""What their properties said of these columns, where ids of users must stay out of the log."""


@pytest.mark.parametrize("name", CHANGED)
def test_a_table_as_an_earlier_version_of_the_program_laid_it_out_is_no_base(lake, released, name):
    earlier = lake.spark.createDataFrame([], EARLIER[name]).write.format("delta")
    earlier.options(**STATISTICS.get(name, {})).save(lake.path(name))
    released(Settings())  # of version 0; the next full refresh wrote another
    with pytest.raises(SettingsError, match=f"other columns of {name}"):
        with_base(job(lake, mode="update"))
    assert with_base(job(lake, **WEEKLY)).base is None
    assert lake.read(name).collect() == []


def test_without_a_release_there_is_nothing_to_bring_up_to_date(lake):
    with pytest.raises(SettingsError, match="there is no release"):
        with_base(job(lake, mode="update"))
    assert with_base(job(lake, **WEEKLY)).base is None


def test_putting_rows_in_the_place_of_changed_users_gives_what_a_table_written_whole_holds(lake, released, rows):
    released(Settings())
    met = [{"user_id": user, "item_id": item} for user in "abc" for item in "xy"]
    lake.overwrite("interactions", rows("interactions", *met), Commit("update", "full", RELEASED.isoformat(), "s"))
    run = with_base(job(lake, mode="update"))
    run.write("changed_users", rows("changed_users", {"user_id": "b"}, {"user_id": "new"}))
    theirs = rows("interactions", *({"user_id": user, "item_id": "z"} for user in ("b", "new")))
    whole = {(row.user_id, row.item_id) for row in run.with_unchanged("interactions", theirs).collect()}
    run.replace_changed("interactions", theirs)
    found = [(row.user_id, row.item_id) for row in run.read("interactions").collect()]
    assert sorted(found) == sorted(whole)
    assert whole == {("a", "x"), ("a", "y"), ("c", "x"), ("c", "y"), ("b", "z"), ("new", "z")}
    assert lake.read("interactions", 0).count() == len(met)


def test_a_table_that_an_update_leaves_stays_as_its_base_has_it(lake, released, rows):
    released(Settings())
    lake.overwrite("interactions", rows("interactions"), Commit("update", "full", RELEASED.isoformat(), "s"))
    assert not job(lake).stays("interactions")  # no update
    run = with_base(job(lake, mode="update"))
    run.leave("interactions")
    assert run.stays("interactions")
    assert run.finished(["interactions"])
    assert lake.commits("interactions")[0][0] == 0
    run.write("interactions", rows("interactions", {"user_id": "u", "item_id": "i"}))
    assert not run.stays("interactions")
    assert run.version("interactions") == 1

from dataclasses import replace

import pytest

from recsys_spark.errors import AuditError, NotFoundError
from recsys_spark.lake import Commit, Lake, Release, current_release, publish, refuse, roll_back
from tests.conftest import at
from tests.frames import local_frame

JULY = Release("july", at("2024-07-01"), "", "", {"user_factors": 0}, "m", "s", "{}", {"warm/ndcg@10": 0.5})


@pytest.fixture
def lake(spark, tmp_path):
    return Lake(spark, str(tmp_path))


def commit(run_id):
    return Commit(run_id, "full", "", "s")


def test_without_a_release_the_message_says_what_to_run(lake):
    with pytest.raises(NotFoundError, match="recsys refresh"):
        current_release(lake)


def test_a_published_release_pins_its_tables(lake, rows):
    lake.overwrite("user_factors", rows("user_factors", {"user_id": "old"}), commit("july"))
    publish(lake, JULY, commit("july"))
    lake.overwrite("user_factors", rows("user_factors", {"user_id": "half-done"}), commit("august"))
    release = current_release(lake)
    assert release == replace(JULY, state="published")
    assert [r.user_id for r in release.read(lake, "user_factors").collect()] == ["old"]
    with pytest.raises(NotFoundError, match="no table item_factors"):
        release.read(lake, "item_factors")


def test_an_older_as_of_does_not_take_over(lake):
    publish(lake, JULY, commit("july"))
    publish(lake, replace(JULY, run_id="june", as_of=at("2024-06-01")), commit("june"))
    assert current_release(lake).run_id == "july"


def test_of_one_as_of_the_last_published_counts(lake):
    publish(lake, JULY, commit("july"))
    publish(lake, replace(JULY, run_id="a-repair"), commit("a-repair"))
    assert current_release(lake).run_id == "a-repair"


def test_a_refused_release_is_recorded_and_not_shown(lake):
    publish(lake, JULY, commit("july"))
    bad = replace(JULY, run_id="bad", as_of=at("2024-08-01"))
    with pytest.raises(AuditError, match="3 users"):
        refuse(lake, bad, commit("bad"), ["shelf for_you: 3 users have fewer than 10 rows"])
    assert current_release(lake).run_id == "july"
    refused = lake.read("releases").where("state = 'refused'").collect()
    assert [(r.run_id, r.detail) for r in refused] == [("bad", "shelf for_you: 3 users have fewer than 10 rows")]


def published(lake, *days):
    """Releases d1, d2, … of these days of July, each with its own version of a table; published in this order."""
    for day in days:
        run = f"d{day}"
        frame = local_frame(lake.spark, [(run, [0.0])], "user_id string, factors array<float>")
        version = lake.overwrite("user_factors", frame, commit(run))
        publish(
            lake,
            replace(JULY, run_id=run, as_of=at(f"2024-07-{day:02}"), tables={"user_factors": version}),
            commit(run),
        )


def listed(lake):
    return [r.user_id for r in current_release(lake).read(lake, "user_factors").collect()]


def test_a_rollback_returns_to_the_release_below_and_to_its_rows(lake):
    published(lake, 1, 2, 3)
    assert roll_back(lake, None, commit("back")).run_id == "d2"
    assert listed(lake) == ["d2"]
    assert roll_back(lake, None, commit("back again")).run_id == "d1"
    published(lake, 4)
    assert listed(lake) == ["d4"]


def test_a_rollback_past_several_releases_is_one_commit(lake):
    published(lake, 2, 3, 1, 4)
    before = len(lake.commits("releases"))
    assert roll_back(lake, "d1", commit("back")).run_id == "d1"
    assert listed(lake) == ["d1"]
    assert len(lake.commits("releases")) == before + 1
    withdrawn = {r.run_id: r.detail for r in lake.read("releases").where("state = 'withdrawn'").collect()}
    assert withdrawn == dict.fromkeys(["d2", "d3", "d4"], "rolled back to d1")


@pytest.mark.parametrize("to", [None, "d1", "unknown"])
def test_there_must_be_an_earlier_release(lake, to):
    published(lake, 1)
    with pytest.raises(NotFoundError, match="below d1 there are: none"):
        roll_back(lake, to, commit("back"))
    assert listed(lake) == ["d1"]


def test_a_release_whose_table_is_gone_is_not_returned_to(lake):
    publish(lake, replace(JULY, tables={"user_factors": 7}), commit("july"))
    published(lake, 9)
    with pytest.raises(NotFoundError, match="user_factors"):
        roll_back(lake, None, commit("back"))
    assert listed(lake) == ["d9"]

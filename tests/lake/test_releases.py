from dataclasses import replace

import pytest

from recsys_spark.errors import AuditError, NotFoundError
from recsys_spark.lake import Commit, Lake, Release, current_release, publish, refuse
from tests.conftest import at

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

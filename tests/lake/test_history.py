"""Who wrote which version, and that it is not asked of Delta more often than needed."""

import shutil

import pytest

from recsys_spark.lake import Commit, Lake
from recsys_spark.lake.history import History

FIRST, SECOND = (Commit(run, "full", "2024-01-01", "s") for run in ("first", "second"))


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Paths whose history was read from Delta."""
    found = []
    read = History._read
    monkeypatch.setattr(History, "_read", lambda self, path: found.append(path) or read(self, path))
    return found


@pytest.fixture
def users(rows):
    return rows("user_factors", {"user_id": "u"})


@pytest.fixture
def lake(spark, tmp_path):
    return Lake(spark, str(tmp_path))


def test_a_commit_knows_its_version_without_reading_the_history(lake, users, reads):
    assert [lake.overwrite("user_factors", users, by) for by in (FIRST, SECOND)] == [0, 1]
    assert not reads


def test_a_history_is_read_again_only_after_a_commit(spark, lake, users, reads):
    lake.overwrite("user_factors", users, FIRST)
    for _ in range(2):
        assert [version for version, _ in lake.with_fold("full").commits("user_factors")] == [0]
    assert len(reads) == 1
    Lake(spark, lake.root).overwrite("user_factors", users, SECOND)
    for _ in range(2):
        assert [by["run_id"] for _, by in lake.commits("user_factors")] == ["second", "first"]
    assert len(reads) == 2


def test_a_table_that_was_removed_and_made_again_has_a_history_of_its_own(spark, lake, users):
    lake.overwrite("user_factors", users, FIRST)
    assert [by["run_id"] for _, by in lake.commits("user_factors")] == ["first"]
    shutil.rmtree(lake.path("user_factors"))
    Lake(spark, lake.root).overwrite("user_factors", users, SECOND)
    assert [by["run_id"] for _, by in lake.commits("user_factors")] == ["second"]


def test_a_repeat_has_the_version_of_its_first_commit(lake, users):
    lake.overwrite("user_factors", users, FIRST)
    lake.overwrite("user_factors", users, SECOND)
    assert lake.overwrite("user_factors", users, FIRST) == 0


def test_what_the_session_committed_elsewhere_is_not_taken_for_a_commit_of_this_table(lake, users, spark, tmp_path):
    """As when another thread of the session commits in between: Delta tells the last version, of whatever table."""
    for by in (FIRST, SECOND):
        lake.overwrite("user_factors", users, by)
    elsewhere = Lake(spark, str(tmp_path / "elsewhere"))
    elsewhere.overwrite("user_factors", users, FIRST)
    assert History(spark).last_of_session(lake.path("user_factors"))[1]["run_id"] == "first"
    assert lake.overwrite("user_factors", users, SECOND) == 1


def test_a_session_that_committed_a_version_that_the_table_lacks_tells_nothing(lake, users, spark, tmp_path):
    elsewhere = Lake(spark, str(tmp_path / "elsewhere"))
    for by in (FIRST, SECOND):
        elsewhere.overwrite("user_factors", users, by)
    assert History(spark).last_of_session(lake.path("user_factors")) is None
    assert lake.overwrite("user_factors", users, FIRST) == 0
    assert History(spark).last_of_session(lake.path("user_factors")) is not None


@pytest.mark.parametrize("note", ["nightly job", "[1]", '{"run_id": "of another tool"}'])
def test_what_another_tool_notes_of_its_commit_is_not_taken_for_a_run(lake, users, spark, note):
    lake.overwrite("user_factors", users, FIRST)
    users.write.format("delta").mode("append").option("userMetadata", note).save(lake.path("user_factors"))
    assert History(spark).last_of_session(lake.path("user_factors")) is None
    assert [version for version, _ in lake.commits("user_factors")] == [lake.committed("user_factors", FIRST)] == [0]
    assert [lake.overwrite("user_factors", users, by) for by in (FIRST, SECOND)] == [0, 2]

"""Two drivers that bring one version of a table up to date: whoever does not stand on it alone is told."""

from collections.abc import Callable

import pytest

from recsys_spark.errors import ConflictError
from recsys_spark.lake import Commit, Lake, versions
from recsys_spark.lake.properties import CHECKPOINT
from tests.frames import local_frame

TABLE = "user_factors"
MINE, OTHER = (Commit(run_id, "full", "", "s") for run_id in ("mine", "other"))
BETWEEN = {"going_back": (Lake, "set_properties"), "merging": (versions, "without_users"), "adding": (Lake, "append")}
"""What a driver does next when the other one comes in between."""


@pytest.fixture
def lake(spark, tmp_path):
    return Lake(spark, str(tmp_path))


@pytest.fixture
def base(lake, rows) -> int:
    frame = rows(TABLE, *({"user_id": user} for user in "abc")).coalesce(1)
    return lake.overwrite(TABLE, frame, Commit("base", "full", "", "s"))


@pytest.fixture
def replaced(lake, base, rows) -> Callable[..., int]:
    """replaced(commit, users): their rows go, and one comes that is named after the run."""

    def replace(commit: Commit, users: list[str]) -> int:
        gone = local_frame(lake.spark, [(user,) for user in users], "user_id string")
        return lake.replace_users(TABLE, gone, rows(TABLE, {"user_id": commit.run_id}), commit, base)

    return replace


def meanwhile(monkeypatch, place: str, work: Callable[[], object]) -> None:
    """Have another driver do its work when the next one comes to a place."""
    owner, name = BETWEEN[place]
    real = getattr(owner, name)

    def after_another(*arguments):
        monkeypatch.setattr(owner, name, real)
        work()
        return real(*arguments)

    monkeypatch.setattr(owner, name, after_another)


def users_at(lake, version):
    return sorted(row["user_id"] for row in lake.read(TABLE, version).collect())


@pytest.mark.parametrize("place", ["going_back", "adding"])
def test_rows_that_another_driver_adds_between_are_told(lake, base, rows, monkeypatch, place):
    added = {commit.run_id: rows(TABLE, {"user_id": commit.run_id}) for commit in (MINE, OTHER)}
    meanwhile(monkeypatch, place, lambda: lake.extend(TABLE, added["other"], OTHER, base))
    with pytest.raises(ConflictError, match="another driver committed to it while run mine"):
        lake.extend(TABLE, added["mine"], MINE, base)
    assert users_at(lake, lake.committed(TABLE, OTHER)) == ["a", "b", "c", "other"]


@pytest.mark.parametrize("place", BETWEEN)
def test_rows_that_another_driver_replaces_between_are_told(lake, replaced, monkeypatch, place):
    meanwhile(monkeypatch, place, lambda: replaced(OTHER, ["b"]))
    with pytest.raises(ConflictError, match="another driver committed to it while run mine"):
        replaced(MINE, ["a"])
    assert users_at(lake, lake.committed(TABLE, OTHER)) == ["a", "c", "other"]


def test_users_without_a_row_get_theirs_and_nobody_loses_one(lake, replaced):
    assert users_at(lake, replaced(MINE, ["new"])) == ["a", "b", "c", "mine"]


@pytest.mark.parametrize("users", [["a"], ["new"]], ids=["some_go", "nobody_goes"])
def test_rows_that_a_driver_deleted_which_died_before_it_added_some_are_told(lake, replaced, monkeypatch, users):
    def die():
        with monkeypatch.context() as patched:
            patched.setattr(Lake, "append", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                replaced(OTHER, ["b"])

    meanwhile(monkeypatch, "merging", die)
    with pytest.raises(ConflictError, match="another driver committed to it while run mine"):
        replaced(MINE, users)


def test_a_driver_that_was_told_before_it_added_rows_may_go_on_when_the_other_has_ended(lake, replaced, monkeypatch):
    meanwhile(monkeypatch, "merging", lambda: replaced(OTHER, ["b"]))
    with pytest.raises(ConflictError, match="run this again with the same --run-id"):
        replaced(MINE, ["a"])
    assert users_at(lake, replaced(MINE, ["a"])) == ["b", "c", "mine"]
    assert users_at(lake, lake.committed(TABLE, OTHER)) == ["a", "c", "other"]


@pytest.mark.parametrize("place", ["merging", "adding"])
@pytest.mark.parametrize("change", ["ALTER TABLE {} SET TBLPROPERTIES ('told' = 'by a vacuum')", "OPTIMIZE {}"])
def test_what_leaves_all_rows_as_they_are_may_come_between(spark, lake, replaced, monkeypatch, place, change):
    meanwhile(monkeypatch, place, lambda: spark.sql(change.format(f"delta.`{lake.path(TABLE)}`")))
    version = replaced(MINE, ["a"])
    assert lake.committed(TABLE, MINE) == version
    assert users_at(lake, version) == ["b", "c", "mine"]


def test_going_back_to_what_an_erasure_wrote_does_not_bring_its_checkpoints_back(lake, rows):
    lake.overwrite(TABLE, rows(TABLE, {"user_id": "gone"}), Commit("july", "full", "", "s"))
    lake.set_properties(TABLE, {CHECKPOINT: "1"})
    base = lake.overwrite(TABLE, rows(TABLE, {"user_id": "stays"}), Commit("forget", "full", "", "s"))
    lake.set_properties(TABLE, {CHECKPOINT: None})
    assert CHECKPOINT not in lake.properties(TABLE)
    lake.extend(TABLE, rows(TABLE, {"user_id": "new"}), MINE, base)
    assert CHECKPOINT not in lake.properties(TABLE)

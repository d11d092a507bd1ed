import shutil
from pathlib import Path

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from recsys_spark.errors import ConflictError, ContractError, NotFoundError
from recsys_spark.lake import Commit, Lake
from tests.frames import local_frame

RUN = Commit("r1", "full", "2024-01-01", "s")


@pytest.fixture
def lake(spark, tmp_path):
    return Lake(spark, str(tmp_path))


def test_read_returns_what_was_written(lake, rows):
    frame = rows("user_factors", {"user_id": "u1", "factors": [0.5]}, {"user_id": "u2", "factors": [1.5]})
    lake.overwrite("user_factors", frame, RUN)
    assert_df_equality(lake.read("user_factors"), frame, ignore_row_order=True, ignore_nullable=True)


def test_repeating_a_commit_changes_nothing(lake, rows):
    first = lake.overwrite("user_factors", rows("user_factors", {"user_id": "u1"}), RUN)
    again = lake.overwrite("user_factors", rows("user_factors", {"user_id": "other"}), RUN)
    assert first == again
    assert [r.user_id for r in lake.read("user_factors").collect()] == ["u1"]


def test_version_pins_a_reader(lake, rows):
    first = lake.overwrite("user_factors", rows("user_factors", {"user_id": "u1"}), RUN)
    lake.overwrite("user_factors", rows("user_factors", {"user_id": "u2"}), Commit("r2", "full", "", "s"))
    assert [r.user_id for r in lake.read("user_factors", first).collect()] == ["u1"]


def test_a_table_of_an_earlier_version_takes_other_columns_and_its_log_still_names_no_user(spark, lake, rows):
    earlier = local_frame(spark, [("u1", "i", "habit")], "user_id string, item_id string, scorer string")
    told = {"delta.dataSkippingStatsColumns": "item_id,scorer"}
    earlier.write.format("delta").options(**told).save(lake.path("boosts"))
    lake.overwrite("boosts", rows("boosts", {"user_id": "someone", "scorer": "habit", "item_ids": ["i"]}), RUN)
    assert [(r.user_id, r.item_ids) for r in lake.read("boosts").collect()] == [("someone", ["i"])]
    log = "".join(path.read_text() for path in Path(lake.path("boosts"), "_delta_log").glob("*.json"))
    assert "habit" in log
    assert "someone" not in log


def test_a_new_table_keeps_replaced_files_for_the_retention_and_its_log_for_years(spark, rows, tmp_path):
    for fold, hours, kept in (("full", 1.0, 168), ("backtest", 720.5, 721)):
        lake = Lake(spark, str(tmp_path), retention_hours=hours).with_fold(fold)
        lake.overwrite("user_factors", rows("user_factors", {"user_id": "u1"}), RUN)
        properties = lake.properties("user_factors")
        assert properties["delta.deletedFileRetentionDuration"] == f"interval {kept} hours"
        assert properties["delta.logRetentionDuration"] == "interval 3650 days"


def test_folds_do_not_see_each_other(lake, rows):
    lake.overwrite("user_factors", rows("user_factors", {"user_id": "u1"}), RUN)
    assert not lake.with_fold("backtest").exists("user_factors")


def test_every_difference_is_named(lake, spark):
    wrong = local_frame(spark, [(1, "x")], "User_id int, extra string")
    with pytest.raises(ContractError) as error:
        lake.overwrite("user_factors", wrong, RUN)
    for part in ("user_id: missing", "found User_id", "factors: missing", "extra: found string"):
        assert part in str(error.value)
    assert not lake.exists("user_factors")


def test_a_table_appears_to_a_session_that_looked_while_its_first_commit_was_on_its_way(lake, spark, rows, tmp_path):
    elsewhere = Lake(spark, str(tmp_path / "elsewhere"))
    elsewhere.overwrite("user_factors", rows("user_factors", {"user_id": "u1"}), RUN)
    (tmp_path / "user_factors" / "_delta_log" / "_staged_commits").mkdir(parents=True)
    assert not lake.exists("user_factors")
    shutil.copytree(elsewhere.path("user_factors"), lake.path("user_factors"), dirs_exist_ok=True)
    assert lake.exists("user_factors")
    assert len(lake.commits("user_factors")) == 1


def test_null_in_a_required_column_names_the_column_and_writes_nothing(lake, rows):
    frame = rows("user_factors", {"user_id": "u1"}).withColumn("user_id", F.lit(None).cast("string"))
    with pytest.raises(ContractError, match=r"user_factors\.user_id"):
        lake.overwrite("user_factors", frame, RUN)
    assert not lake.exists("user_factors")


def test_a_missing_table_names_the_step_that_makes_it(lake):
    with pytest.raises(NotFoundError, match="train_als"):
        lake.read("user_factors")


def told(frame):
    return sorted(row.event_id for row in frame.collect())


def test_a_table_is_extended_from_a_version_and_the_change_feed_tells_what_was_added(lake, rows):
    base = lake.overwrite("events", rows("events", {"event_id": "a"}), RUN)
    lake.overwrite("events", rows("events", {"event_id": "refused"}), Commit("r2", "full", "", "s"))
    run = Commit("r3", "full", "", "s")
    version = lake.extend("events", rows("events", {"event_id": "b"}), run, base)
    assert told(lake.read("events", version)) == ["a", "b"]
    assert told(lake.added("events", version)) == ["b"]
    assert lake.extend("events", rows("events", {"event_id": "c"}), run, base) == version
    assert told(lake.read("events")) == ["a", "b"]


def test_of_two_drivers_that_extend_one_version_the_later_is_refused_and_stays_so(lake, rows, monkeypatch):
    base = lake.overwrite("events", rows("events", {"event_id": "old"}), RUN)
    added, append = rows("events", {"event_id": "new"}), Lake.append

    def after_another(lake, name, frame, commit):
        monkeypatch.setattr(Lake, "append", append)
        lake.extend(name, added, Commit("first", "full", "", "s"), base)
        return lake.append(name, frame, commit)

    monkeypatch.setattr(Lake, "append", after_another)
    late = Commit("late", "full", "", "s")
    for ask in (lambda: lake.extend("events", added, late, base), lambda: lake.committed("events", late)):
        with pytest.raises(ConflictError, match=r"another driver committed .* Take another --run-id"):
            ask()
    first = lake.committed("events", Commit("first", "full", "", "s"))
    assert sorted(row["event_id"] for row in lake.read("events", first).collect()) == ["new", "old"]


def test_a_vacuum_beside_does_not_keep_rows_from_being_added(spark, lake, rows, monkeypatch):
    base = lake.overwrite("events", rows("events", {"event_id": "old"}), RUN)
    append = Lake.append

    def after_a_vacuum(lake, name, frame, commit):
        spark.sql(f"VACUUM delta.`{lake.path(name)}`")
        return append(lake, name, frame, commit)

    monkeypatch.setattr(Lake, "append", after_a_vacuum)
    version = lake.extend("events", rows("events", {"event_id": "new"}), Commit("r2", "full", "", "s"), base)
    assert lake.committed("events", Commit("r2", "full", "", "s")) == version
    assert not lake.is_latest("events", version - 1)


def test_a_table_of_before_there_was_a_change_feed_gets_one_when_it_is_extended(lake, rows):
    base = lake.overwrite("user_factors", rows("user_factors", {"user_id": "u"}), RUN)
    version = lake.extend("user_factors", rows("user_factors", {"user_id": "v"}), Commit("r2", "full", "", "s"), base)
    assert [row.user_id for row in lake.added("user_factors", version).collect()] == ["v"]


def factors_of(frame):
    return sorted((row.user_id, *row.factors) for row in frame.collect())


def test_rows_of_some_users_are_replaced_from_a_version_on_and_the_other_files_stay(lake, rows, spark):
    first = rows("user_factors", *({"user_id": user, "factors": [1.0]} for user in "abcd")).coalesce(1)
    base = lake.overwrite("user_factors", first, RUN)
    lake.overwrite("user_factors", rows("user_factors", {"user_id": "refused"}), Commit("r2", "full", "", "s"))
    run, gone = Commit("r3", "full", "", "s"), local_frame(spark, [("b",), ("b",), ("c",), ("new",)], "user_id string")
    come = rows("user_factors", {"user_id": "b", "factors": [2.0]}, {"user_id": "new", "factors": [3.0]})
    version = lake.replace_users("user_factors", gone, come, run, base)
    assert factors_of(lake.read("user_factors", version)) == [("a", 1.0), ("b", 2.0), ("d", 1.0), ("new", 3.0)]
    assert set(lake.files("user_factors", base)) < set(lake.files("user_factors", version))
    assert lake.replace_users("user_factors", gone, first, run, base) == version
    assert factors_of(lake.read("user_factors", base)) == [(user, 1.0) for user in "abcd"]


def test_replacing_users_can_be_taken_up_where_it_was_cut_short(lake, rows, spark, monkeypatch):
    base = lake.overwrite("user_factors", rows("user_factors", {"user_id": "a"}, {"user_id": "b"}), RUN)
    asked = ("user_factors", local_frame(spark, [("a",)], "user_id string"), rows("user_factors", {"user_id": "new"}))
    run = Commit("r2", "full", "", "s")
    with monkeypatch.context() as patched:
        patched.setattr(Lake, "append", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            lake.replace_users(*asked, run, base)
    version = lake.replace_users(*asked, run, base)
    assert sorted(row.user_id for row in lake.read("user_factors", version).collect()) == ["b", "new"]

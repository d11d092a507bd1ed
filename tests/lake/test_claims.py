import threading
import time
from datetime import UTC, datetime

import pytest
from pyspark.sql import functions as F

from jobs.context import Job
from recsys_spark.config.settings import Settings
from recsys_spark.errors import ConflictError
from recsys_spark.lake import Commit, Lake, claims


@pytest.fixture
def job(spark, tmp_path):
    return Job(Settings(), spark, Lake(spark, str(tmp_path)), "nightly", datetime(2024, 7, 1, tzinfo=UTC))


def test_the_driver_that_claimed_a_run_last_goes_on_and_the_one_before_stops_at_its_next_write(job, rows):
    factors = rows("user_factors", {"user_id": "u"})
    first = job.claimed()
    first.write("user_factors", factors)
    second = job.claimed()
    with pytest.raises(ConflictError, match=r"run nightly was taken over by another driver \(attempt 2\)"):
        first.write("item_factors", rows("item_factors", {"item_id": "i"}))
    assert not job.lake.exists("item_factors")
    second.with_fold("backtest").write("user_factors", factors)


def test_runs_of_other_names_do_not_take_over(job, rows):
    first = job.claimed()
    Job(job.settings, job.spark, job.lake, "other", job.as_of).claimed()
    first.write("user_factors", rows("user_factors", {"user_id": "u"}))
    assert [(r.run_id, r.attempt) for r in job.lake.read("claims").orderBy("run_id").collect()] == [
        ("nightly", 1),
        ("other", 1),
    ]


def test_of_two_claims_made_at_once_the_larger_token_counts_whichever_came_last(job, rows, monkeypatch):
    tokens = iter(["b", "a"])
    monkeypatch.setattr("recsys_spark.lake.claims.uuid.uuid4", lambda: next(tokens))
    first = job.claimed()
    real = claims._last
    # The second driver looked before the first one's claim was there.
    answers = iter([(0, "")])
    monkeypatch.setattr(claims, "_last", lambda *arguments: next(answers, None) or real(*arguments))
    with pytest.raises(ConflictError, match="run nightly was taken over by another driver"):
        job.claimed()
    assert {r.attempt for r in job.lake.read("claims").collect()} == {1}
    first.write("user_factors", rows("user_factors", {"user_id": "u"}))


def test_of_two_commits_to_a_table_at_once_the_later_one_says_so_and_keeps_nothing(spark, rows, tmp_path):
    lake = Lake(spark, str(tmp_path))
    factors = rows("user_factors", {"user_id": "u"})
    lake.overwrite("user_factors", factors, Commit("before", "full", "", "s"))
    wait = F.udf(lambda name: time.sleep(8) or name, "string")
    slow = factors.select(wait("user_id").alias("user_id"), "factors")
    refused = []

    def write_slowly():
        try:
            lake.overwrite("user_factors", slow, Commit("slow", "full", "", "s"))
        except ConflictError as error:
            refused.append(str(error))

    writer = threading.Thread(target=write_slowly)
    writer.start()
    time.sleep(4)
    lake.overwrite("user_factors", factors, Commit("fast", "full", "", "s"))
    writer.join()
    assert len(refused) == 1
    assert "another driver committed to it" in refused[0]
    assert [written["run_id"] for _, written in lake.commits("user_factors")] == ["fast", "before"]

"""Real refreshes beside a published one: of an earlier day, which stays below it, and of a shop that lost its users."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from recsys_spark.lake import current_release
from tests.conftest import at
from tests.faults.digests import digests

EARLIER = "2024-06-10T00:00:00"


@pytest.mark.faults
def test_a_refresh_of_an_earlier_day_lands_and_the_current_release_stays(undisturbed, spark, tmp_path):
    shop = undisturbed.copied(tmp_path)
    lake = shop.lake(spark)
    current = current_release(lake)
    shown = digests(lake, current)
    ended = shop.refresh("--run-id", "backfill", "--as-of", EARLIER)
    assert ended.code == 0, ended.output
    assert current_release(lake) == current
    assert digests(lake, current) == shown
    backfill = lake.read("releases").where("run_id = 'backfill'").collect()
    assert [row["state"] for row in backfill] == ["published"]
    events = lake.read("events", backfill[0]["tables"]["events"]).where(F.col("ts") >= F.lit(at(EARLIER)))
    assert events.isEmpty()
    lists = lake.read("recommendations", backfill[0]["tables"]["recommendations"])
    assert lists.where(~F.col("source_version").startswith("backfill as of 2024-06-10")).isEmpty()
    assert not lists.isEmpty()


@pytest.mark.faults
def test_a_shop_that_lost_its_users_is_not_published(undisturbed, spark, tmp_path):
    shop = undisturbed.copied(tmp_path)
    lake = shop.lake(spark)
    current = current_release(lake)
    ended = shop.refresh("--run-id", "shrunk", "--as-of", "2024-07-01", "--set", "source.synthetic.users=60")
    assert ended.code == 6, ended.output
    refused = lake.read("releases").where("run_id = 'shrunk'").collect()
    assert [row["state"] for row in refused] == ["refused"]
    assert "rows of users: found 60, the release before has 150" in refused[0]["detail"]
    assert current_release(lake) == current

"""Days that hold next to nothing: refused in words, or published as they are."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from recsys_spark.lake import current_release
from tests.conftest import at


@pytest.mark.faults
def test_a_day_without_any_row_is_refused_and_the_release_stays(make_shop, publish_small, spark, tmp_path):
    (tmp_path / "events.jsonl").touch()

    def nothing(settings: dict) -> None:
        settings["source"] = {"kind": "files", "events": {"path": str(tmp_path / "events.jsonl"), "format": "jsonl"}}

    shop = make_shop(nothing)
    lake = shop.lake(spark)
    release = publish_small(lake, "before", at("2024-01-01"))
    ended = shop.refresh()
    assert (ended.code, "Traceback" in ended.output) == (4, False), ended.output
    assert "holds no rows" in ended.output
    assert current_release(lake) == release
    assert not lake.exists("events")


@pytest.mark.faults
def test_a_shop_with_one_user_serves_that_user(make_shop, spark):
    shop = make_shop(lambda settings: settings["source"]["synthetic"].update(users=1, new_user_share=0.0))
    ended = shop.refresh()
    assert ended.code == 0, ended.output
    lake = shop.lake(spark)
    lists = current_release(lake).read(lake, "recommendations")
    places = lists.where("shelf = 'for_you'").groupBy("user_id").agg(F.count("*").alias("n")).collect()
    assert [row["n"] for row in places] == [10]

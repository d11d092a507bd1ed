"""The refresh of the other end-to-end tests, killed at its end, refused by the audit, and returned to."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from pyspark.sql import functions as F

from jobs import rollback
from recsys_spark.lake import Commit, current_release, publish
from tests.faults.digests import digest
from tests.faults.drivers import Shop
from tests.faults.dying import die_and_resume
from tests.faults.rivals import race

LISTS = ("recommendations", "item_audiences")


@pytest.fixture
def shop(refreshed, tmp_path) -> Shop:
    """A copy of the refreshed lake, whose refresh is complete up to the lists."""
    copy = Shop(refreshed.lake, refreshed.conf, refreshed.run_id, tmp_path / "driver.log").copied(tmp_path)
    shutil.rmtree(copy.root / "releases")
    return copy


@pytest.fixture
def release(spark, refreshed):
    return current_release(Shop(refreshed.lake, refreshed.conf, refreshed.run_id, refreshed.lake).lake(spark))


def by(run_id: str) -> Commit:
    return Commit(run_id, "full", "", "s")


def listed(lake, release) -> dict[str, str]:
    return {name: digest(release.read(lake, name)) for name in LISTS}


def test_killed_at_its_lists_and_at_publishing_it_ends_with_the_same_lists(shop, release, refreshed, spark):
    for name in LISTS:
        shutil.rmtree(shop.root / name)
    lake = shop.lake(spark)
    before = replace(release, run_id="before", as_of=release.as_of - timedelta(days=1), tables={"users": 0}, metrics={})
    publish(lake, before, by("before"))
    points = [("full/recommendations", "before"), ("full/releases", "before")]
    found = die_and_resume(shop, lake, points, current_release(lake))
    assert listed(lake, found) == listed(replace(shop, root=refreshed.lake).lake(spark), release)

    worse = lake.overwrite("recommendations", found.read(lake, "recommendations").where("rank = 1"), by("worse"))
    tables = {**found.tables, "recommendations": worse}
    publish(lake, replace(found, run_id="worse", as_of=found.as_of + timedelta(days=1), tables=tables), by("worse"))
    commits = len(lake.commits("releases"))
    assert rollback.main(["--conf", str(shop.conf), "--set", f"lake.path={shop.root}"]) == 0
    assert listed(lake, current_release(lake)) == listed(lake, found)
    assert len(lake.commits("releases")) == commits + 1


def test_of_two_drivers_at_once_one_makes_the_lists_and_publishes(shop, release, refreshed, spark):
    for name in LISTS:
        shutil.rmtree(shop.root / name)
    race(shop)
    lake = shop.lake(spark)
    assert listed(lake, current_release(lake)) == listed(replace(shop, root=refreshed.lake).lake(spark), release)
    assert [written["run_id"] for _, written in lake.commits("releases")] == [shop.run_id]


def test_lists_that_are_not_fit_are_not_published_and_releases_says_why(shop, release, spark):
    lake = shop.lake(spark)
    users, lists = release.read(lake, "users"), release.read(lake, "recommendations").persist()
    more = [users.withColumn("user_id", F.concat("user_id", F.lit(f"-{n}"))) for n in range(3)]
    tables = {"users": lake.overwrite("users", more[0].union(more[1]).union(more[2]), by("best"))}
    best = replace(release, run_id="best", tables=tables, metrics=dict.fromkeys(release.metrics, 1.0))
    publish(lake, best, by("best"))

    one = lists.agg(F.min("user_id")).first()[0]
    score = F.when(F.col("rank") < 10, F.col("score")).otherwise(float("nan"))
    spoilt = lists.where((F.col("user_id") != one) | (F.col("rank") > 1)).withColumn("score", score)
    shutil.rmtree(shop.root / "recommendations")
    lake.overwrite("recommendations", spoilt, by(shop.run_id))
    ended = shop.refresh()
    assert (ended.code, "Traceback" in ended.output) == (6, False), ended.output
    refused = lake.read("releases").where("state = 'refused'").collect()
    assert [r.run_id for r in refused] == [shop.run_id]
    for told in (
        "rows without a finite score",
        "1 users have fewer than 10 rows",
        "rows of users",
        "metric of warm/ndcg",
    ):
        assert told in refused[0].detail
        assert told in ended.output
    assert current_release(lake).run_id == "best"

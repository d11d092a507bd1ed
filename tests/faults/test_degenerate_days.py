"""Days that hold next to nothing, or nearly all of one user: refused in words, or published as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from recsys_spark.lake import current_release
from tests.conftest import at
from tests.faults.drivers import Ended

SKEWED = {"users": 1_000, "items": 1_000, "events": 200_000, "days": 100}
"""Half of the events of one user are 1,000 a day: below what looks like a bot."""
MOST_TIMES_UNIFORM = 2.0


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


@pytest.mark.faults
def test_a_day_on_which_all_users_are_new_and_nothing_happened_is_refused(make_shop, publish_small, spark):
    shop = make_shop(lambda settings: settings["source"]["synthetic"].update(new_user_share=1.0))
    lake = shop.lake(spark)
    release = publish_small(lake, "before", at("2024-01-01"))
    ended = shop.refresh()
    assert (ended.code, "Traceback" in ended.output) == (4, False), ended.output
    assert current_release(lake) == release


@pytest.mark.faults
def test_where_all_registered_users_are_new_and_guests_alone_bought_everybody_is_served(make_shop, spark, tmp_path):
    write_events(tmp_path / "events.parquet", sold(users=60, items=40, events=900, days=60), "guest")
    ages = ["18-24", "25-34", "35-49"]
    registered = pd.DataFrame({"user_id": [f"new-{n}" for n in range(30)], "age": [ages[n % 3] for n in range(30)]})
    registered.to_csv(tmp_path / "users.csv", index=False)

    def by_guests(settings: dict) -> None:
        settings["source"] = {
            "kind": "files",
            "events": {"path": str(tmp_path / "events.parquet")},
            "users": {"path": str(tmp_path / "users.csv"), "format": "csv", "attributes": ["age"]},
        }
        del settings["blocks"]["enabled"]

    shop = make_shop(by_guests)
    ended = shop.refresh()
    assert ended.code == 0, ended.output
    lake = shop.lake(spark)
    release = current_release(lake)
    profiles = release.read(lake, "user_profiles").where(F.col("user_id").startswith("new-"))
    assert {(row["state"], row["n"]) for row in profiles.groupBy("state").agg(F.count("*").alias("n")).collect()} == {
        ("cold", 30)
    }
    lists = release.read(lake, "recommendations").where("shelf = 'for_you'")
    places = lists.groupBy("user_id").agg(F.count("*").alias("n"), F.max("route").alias("route")).collect()
    assert {row["n"] for row in places} == {10}
    assert {row["user_id"]: row["route"] for row in places if row["user_id"].startswith("new-")} == dict.fromkeys(
        registered["user_id"], "cold"
    )


@pytest.mark.faults
def test_a_user_with_half_of_all_events_costs_at_most_twice_the_time(make_shop, spark, tmp_path):
    uniform = sold(**SKEWED)
    skewed = uniform.assign(user=np.where(np.arange(len(uniform)) % 2, 0, uniform.user))
    ended = {}
    for name, events in {"uniform": uniform, "skewed": skewed}.items():
        path = tmp_path / f"{name}.parquet"
        write_events(path, events, "user")

        def of_files(settings: dict, path: Path = path) -> None:
            settings["source"] = {"kind": "files", "events": {"path": str(path)}}
            del settings["blocks"]["enabled"]

        shop = make_shop(of_files)
        ended[name] = shop.refresh()
        assert ended[name].code == 0, ended[name].output
    lake = shop.lake(spark)
    release = current_release(lake)
    most = release.read(lake, "events").where("user_id = 'user-0'").count()
    assert most == pytest.approx(SKEWED["events"] / 2, rel=0.01)
    assert release.read(lake, "recommendations").where("user_id = 'user-0' AND shelf = 'for_you'").count() == 10
    assert seconds_of(ended["skewed"]) <= MOST_TIMES_UNIFORM * seconds_of(ended["uniform"])


def sold(users: int, items: int, events: int, days: int) -> pd.DataFrame:
    """user, item, ts and event_type of so many different events: users alike, items by Zipf's law."""
    draw = np.random.default_rng(3)
    popularity = 1.0 / np.arange(1, items + 1)
    seconds = np.arange(events) * (days * 86_400) // events
    return pd.DataFrame(
        {
            "user": draw.integers(0, users, events),
            "item": draw.choice(items, events, p=popularity / popularity.sum()),
            "ts": pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, unit="s"),
            "event_type": draw.choice(["view", "purchase"], events, p=[0.7, 0.3]),
        }
    )


def write_events(path: Path, events: pd.DataFrame, prefix: str) -> None:
    named = events.assign(user_id=prefix + "-" + events.user.astype(str), item_id="item-" + events.item.astype(str))
    named.drop(columns=["user", "item"]).to_parquet(path, coerce_timestamps="us", allow_truncated_timestamps=True)


def seconds_of(ended: Ended) -> float:
    """How long the refresh said it took."""
    line = next(line for line in ended.output.splitlines() if line.startswith("refresh done in "))
    return float(line.split()[3])

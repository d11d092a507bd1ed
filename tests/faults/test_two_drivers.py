"""Two drivers with one run id at the same time: one publishes, the other ends with code 9 and says why."""

from __future__ import annotations

import time

import pytest

from recsys_spark.lake import current_release
from tests.faults.digests import digests
from tests.faults.drivers import end_of, start_driver

PATIENCE_SECONDS = 600


@pytest.mark.faults
@pytest.mark.parametrize("second_starts", ["at once", "backtest/user_profiles", "full/recommendations"])
def test_one_of_two_drivers_publishes(make_shop, undisturbed, spark, second_starts):
    shop = make_shop()
    lake = shop.lake(spark)
    logs = [shop.root.with_name(f"driver-{n}.log") for n in (1, 2)]
    first = start_driver("jobs.refresh", *shop.arguments(), log=logs[0])
    if second_starts != "at once":
        wait_for(shop.root / second_starts.removeprefix("full/") / "_delta_log")
    second = start_driver("jobs.refresh", *shop.arguments(), log=logs[1])
    ended = [end_of(driver, log) for driver, log in zip((first, second), logs, strict=True)]
    assert sorted(e.code for e in ended) == [0, 9], [e.output for e in ended]
    loser = next(e for e in ended if e.code == 9)
    assert "another driver" in loser.output
    assert "Traceback" not in loser.output
    release = current_release(lake)
    calm = undisturbed.lake(spark)
    assert digests(lake, release) == digests(calm, current_release(calm))
    assert [written["run_id"] for _, written in lake.commits("releases")] == [shop.run_id]


def wait_for(path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.2)

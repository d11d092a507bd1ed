"""SIGKILL of a refresh while its deep model trains: the ranks end too, and the run that is taken up trains on."""

from __future__ import annotations

import time

import psutil
import pytest
from pyspark.sql import Row

from recsys_spark.coldstart.launch import kept_epoch
from recsys_spark.lake import Lake, current_release
from tests.conftest import at
from tests.faults.digests import digests
from tests.faults.drivers import kill, start_driver
from tests.faults.dying import committed
from tests.faults.training import SECONDS, best, log_of, wait_for, workers

EPOCHS = 25
OF_TOWERS = {
    "tower_vectors",
    "tower_weights",
    "training_log",
    "user_blocks",
    "item_blocks",
    "route_weights",
    "recommendations",
    "item_audiences",
    "metrics",
}
"""Tables that the towers have a part in; all others are as if nothing had been."""

pytestmark = pytest.mark.faults


def with_towers(settings: dict) -> None:
    settings["blocks"]["enabled"].append("deep")
    settings["coldstart"] = {
        "width": 8,
        "hidden": [8],
        "epochs": EPOCHS,
        "patience": EPOCHS,
        "batch_size": 32,
        "processes": 2,
        "launcher": "horovodrun",
    }


@pytest.fixture(scope="module")
def calm(make_shop):
    shop = make_shop(with_towers)
    ended = shop.refresh()
    assert ended.code == 0, ended.output
    return shop


def _log(lake: Lake, fold: str) -> list[Row]:
    return lake.with_fold(fold).read("training_log").orderBy("epoch").collect()


@pytest.mark.parametrize("fold", ["backtest", "full"])
def test_a_refresh_that_is_killed_while_it_trains_goes_on_from_its_checkpoint(
    calm, make_shop, publish_small, spark, fold
):
    shop = make_shop(with_towers)
    lake, expected = shop.lake(spark), calm.lake(spark)
    before = publish_small(lake, "before", at("2024-01-01"))
    log = shop.root / "models" / shop.run_id / fold / "training_log.jsonl"
    driver = start_driver("jobs.refresh", *shop.arguments(), log=shop.log)
    try:
        wait_for(lambda: len(log_of(log)) >= 2, lambda: driver.poll() is not None)
        ranks = workers(psutil.Process(driver.pid))
    finally:
        kill(driver)
    killed = time.monotonic()
    assert ranks.keys() == {0, 1}
    _, alive = psutil.wait_procs(ranks.values(), timeout=SECONDS)
    assert not alive, "a training process outlives its driver"
    assert time.monotonic() - killed < SECONDS
    # The full fold trains as long as was best on the other.
    epochs = EPOCHS if fold == "backtest" else kept_epoch(_log(expected, "backtest"))["epoch"]
    assert 2 <= len(log_of(log)) < epochs
    assert not committed(lake, f"{fold}/tower_vectors", shop.run_id)
    assert current_release(lake) == before
    ended = shop.refresh()
    assert ended.code == 0, ended.output
    release, undisturbed = current_release(lake), current_release(expected)
    assert release.run_id == shop.run_id
    assert release.tables.keys() == undisturbed.tables.keys()
    found, wanted = digests(lake, release), digests(expected, undisturbed)
    same = [name for name in wanted if name.rpartition("/")[2] not in OF_TOWERS]
    assert {name: found[name] for name in same} == {name: wanted[name] for name in same}
    logs = [_log(one, fold) for one in (lake, expected)]
    assert [row["epoch"] for row in logs[0]] == list(range(1, epochs + 1))
    assert best(logs[0]) == pytest.approx(best(logs[1]), rel=0.01)

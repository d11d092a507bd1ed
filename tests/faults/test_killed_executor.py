"""SIGKILL of executors at work: each step goes on with what is left, and makes the tables of an undisturbed run."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import psutil
import pytest

from jobs.pipeline import MODEL
from recsys_spark.lake import Lake, Release, current_release
from tests.faults.digests import digests
from tests.faults.drivers import Shop, end_of, executors, submit

STEPS = ("build_profiles", "train_als", "materialize_dataset", "build_blocks", "recommend")
SHARES = (0.2, 0.5, 0.8)
"""Of the step's time in the undisturbed run that has passed before an executor is killed."""
NUMBERS = {
    "user_factors": (["user_id"], "factors"),
    "item_factors": (["item_id"], "factors"),
    "attribute_maps": (["target", "feature_idx"], "weights"),
}
"""Tables of factors and of what attributes predict of them: their keys and numbers."""
FROM_FACTORS = {*NUMBERS, "blocks", "user_blocks", "item_blocks", "recommendations", "item_audiences"}
MOST_GAP = 1e-6
"""ALS adds up in the order in which shuffled rows arrive: factors, and what is made of them, may differ so much."""
GLANCE, AT_WORK = 0.1, 0.05
"""Seconds between two looks at an executor, and its CPU seconds in between, if it works."""
PATIENCE = 600


def with_every_kind_of_block(settings: dict) -> None:
    settings["blocks"].update(enabled=[*settings["blocks"]["enabled"], "svd", "demographic", "moment"], svd_rank=4)


@pytest.fixture(scope="module")
def calm(make_shop) -> tuple[Shop, str]:
    """A shop after a submitted refresh that nothing happened to, and what the refresh printed."""
    shop = make_shop(with_every_kind_of_block)
    ended = end_of(submit("refresh", *shop.arguments(), log=shop.log), shop.log)
    assert ended.code == 0, ended.told()
    return shop, ended.output


@pytest.mark.faults
@pytest.mark.parametrize("share", SHARES)
def test_steps_that_lose_an_executor_each_make_the_same_tables(calm, share, spark, tmp_path):
    undisturbed, output = calm
    shop = undisturbed.copied(tmp_path)
    forget_the_full_fold(shop)
    driver = submit("refresh", *shop.arguments(), log=shop.log)
    try:
        for step in STEPS:
            kill_an_executor(driver, shop.log, step, share * seconds_of(output, step))
    finally:
        ended = end_of(driver, shop.log)
    assert ended.code == 0, ended.told()
    assert len(re.findall("Lost executor .* exited with code 137", ended.output)) == len(STEPS)
    found, expected = (Published.of(one.lake(spark)) for one in (shop, undisturbed))
    assert found.digests.keys() == expected.digests.keys()
    assert {name for name in expected.digests if found.digests[name] != expected.digests[name]} <= FROM_FACTORS
    for name, (keys, numbers) in NUMBERS.items():
        assert found.largest_gap(expected, name, keys, numbers) <= MOST_GAP, name
    assert found.lists() == expected.lists()


@dataclass(frozen=True)
class Published:
    """What readers of a lake see."""

    lake: Lake
    release: Release
    digests: dict[str, str]

    @classmethod
    def of(cls, lake: Lake) -> Published:
        release = current_release(lake)
        return cls(lake, release, digests(lake, release))

    def largest_gap(self, other: Published, name: str, keys: list[str], numbers: str) -> float:
        """Largest difference of two numbers at the same place of the same row."""
        left, right = (
            one.release.read(one.lake, name).toPandas().set_index(keys).sort_index()[numbers] for one in (self, other)
        )
        assert list(left.index) == list(right.index)
        return float(np.abs(np.concatenate(left.to_list()) - np.concatenate(right.to_list())).max())

    def lists(self) -> list[tuple[str, str, int, str]]:
        """Who gets what, where."""
        places = self.release.read(self.lake, "recommendations").select("user_id", "shelf", "rank", "item_id")
        return sorted(tuple(row) for row in places.collect())


def forget_the_full_fold(shop: Shop) -> None:
    """Remove what the model's steps made of all events, and the release: the run goes on with the first of them."""
    for name in {name for step in (*MODEL, "recommend") for name in import_module(f"jobs.{step}").OUTPUTS}:
        shutil.rmtree(shop.root / name)
    shutil.rmtree(shop.root / "releases")


def kill_an_executor(driver: subprocess.Popen[bytes], log: Path, step: str, after: float) -> None:
    """SIGKILL to the first executor that is at work, so many seconds after the step began."""
    wait_for_line(driver, log, f"] {step} …")
    time.sleep(after)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert f"] {step} done" not in log.read_text(), f"{step} was over before an executor was killed"
        for executor, used in cpu_seconds(executors(driver)).items():
            if used >= AT_WORK:
                executor.send_signal(signal.SIGKILL)
                return
    raise AssertionError(f"no executor worked for {step}")


def cpu_seconds(watched: list[psutil.Process]) -> dict[psutil.Process, float]:
    """What each has used within a moment."""
    before = {one: one.cpu_times() for one in watched}
    time.sleep(GLANCE)
    return {one: sum(one.cpu_times()[:2]) - sum(times[:2]) for one, times in before.items()}


def wait_for_line(driver: subprocess.Popen[bytes], log: Path, text: str) -> None:
    until = time.monotonic() + PATIENCE
    while text not in log.read_text():
        assert driver.poll() is None, log.read_text()
        assert time.monotonic() < until, f"{text} did not come"
        time.sleep(0.05)


def seconds_of(output: str, step: str) -> float:
    """How long the step took on the full fold, as the refresh printed it."""
    line = next(line for line in output.splitlines() if f"] {step} done in " in line)
    return float(line.split(" done in ")[1].split()[0])

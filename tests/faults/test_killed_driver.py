"""SIGKILL of driver and JVM at commits: a run that is taken up again ends as if nothing had been; readers see none."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Sequence
from importlib import import_module

import pytest

from jobs.pipeline import REFRESH
from recsys_spark.lake import Lake, current_release
from tests.conftest import at
from tests.faults.conftest import RUN
from tests.faults.digests import digests
from tests.faults.drivers import run_driver

Point = tuple[str, str]
"""FOLD/TABLE and moment, for kill_at."""

PUBLISHING: tuple[Point, ...] = (("full/releases", "before"), ("full/releases", "after"))
IN_EVERY_STEP: tuple[Point, ...] = (
    ("full/events", "before"),
    ("full/events", "after"),
    ("full/data_quality", "after"),
    ("backtest/truth", "before"),
    ("backtest/user_profiles", "after"),
    ("backtest/item_vectors", "before"),
    ("backtest/item_factors", "before"),
    ("backtest/training_items", "after"),
    ("backtest/boosts", "before"),
    ("full/route_weights", "after"),
    ("backtest/metrics", "before"),
    ("full/interactions", "after"),
    ("full/item_blocks", "after"),
    ("full/recommendations", "before"),
    ("full/recommendations", "after"),
    *PUBLISHING,
)
ROUNDS = 5
NO_ROWS = hashlib.sha256().hexdigest()


def every_commit(expected: dict[str, str]) -> tuple[Point, ...]:
    """Before and after each commit of a refresh, in its order; a table without rows has no file to die at."""
    tables = [f"{step.fold}/{name}" for step in REFRESH for name in import_module(f"jobs.{step.name}").OUTPUTS]
    tables.insert(tables.index("backtest/route_weights"), "full/route_weights")
    filled = {name if "/" in name else f"full/{name}" for name, found in expected.items() if found != NO_ROWS}
    points = [(t, moment) for t in tables for moment in ("before", "after") if t in filled or moment == "after"]
    return (*points, *PUBLISHING)


@pytest.fixture(scope="module")
def expected(undisturbed, spark) -> dict[str, str]:
    lake = undisturbed.lake(spark)
    return digests(lake, current_release(lake))


@pytest.mark.faults
@pytest.mark.parametrize("attempt", range(ROUNDS))
def test_killed_in_every_step_and_at_publishing(attempt, make_shop, publish_small, expected, spark):
    die_and_resume(make_shop(), IN_EVERY_STEP, publish_small, expected, spark)


@pytest.mark.faults
def test_killed_before_and_after_every_commit(make_shop, publish_small, expected, spark):
    die_and_resume(make_shop(), every_commit(expected), publish_small, expected, spark)


def die_and_resume(shop, points: Sequence[Point], publish_small, expected, spark) -> None:
    """One run, killed at each point in turn and taken up again."""
    lake = shop.lake(spark)
    before = publish_small(lake, "before", at("2024-01-01"))
    shown = digests(lake, before)
    for where, moment in points:
        had = committed(lake, where)
        ended = run_driver("tests.faults.kill_at", where, moment, *shop.arguments(RUN), log=shop.log)
        assert ended.code == -signal.SIGKILL, f"{where} {moment}: {ended.output}"
        assert committed(lake, where) == had + (moment == "after"), f"{where} {moment}"
        if (where, moment) != ("full/releases", "after"):
            assert current_release(lake) == before
            assert digests(lake, before) == shown
    assert shop.refresh(RUN).code == 0
    release = current_release(lake)
    assert digests(lake, release) == expected
    of_run = {name: committed(lake, name if "/" in name else f"full/{name}") for name in (*release.tables, "releases")}
    assert of_run == dict.fromkeys(of_run, 1)
    assert [r.state for r in lake.read("releases").where(f"run_id = '{RUN}'").collect()] == ["published"]


def committed(lake: Lake, where: str) -> int:
    """How many commits of the run a table has."""
    fold, name = where.split("/")
    return sum(written["run_id"] == RUN for _, written in lake.with_fold(fold).commits(name))

"""SIGKILL of driver and JVM at commits: a run that is taken up again ends as if nothing had been; readers see none."""

from __future__ import annotations

import hashlib
from importlib import import_module

import pytest

from jobs.pipeline import REFRESH
from recsys_spark.lake import current_release
from tests.conftest import at
from tests.faults.digests import digests
from tests.faults.dying import Point, die_and_resume

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
    killed_and_resumed(make_shop(), IN_EVERY_STEP, publish_small, expected, spark)


@pytest.mark.faults
def test_killed_before_and_after_every_commit(make_shop, publish_small, expected, spark):
    killed_and_resumed(make_shop(), every_commit(expected), publish_small, expected, spark)


def killed_and_resumed(shop, points, publish_small, expected, spark) -> None:
    lake = shop.lake(spark)
    release = die_and_resume(shop, lake, points, publish_small(lake, "before", at("2024-01-01")))
    assert digests(lake, release) == expected

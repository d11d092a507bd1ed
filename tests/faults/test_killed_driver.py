"""SIGKILL of driver and JVM at commits: a run that is taken up again ends as if nothing had been; readers see none."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib import import_module

import pytest

from jobs.pipeline import REFRESH
from recsys_spark.contracts import table
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
IN_AN_UPDATE: tuple[Point, ...] = (
    ("full/users", "before"),
    ("full/changed_users", "after"),
    ("full/interactions", "before"),
    ("full/training_users", "after"),
    ("full/user_factors", "before"),
    ("full/user_blocks", "after"),
    ("full/boosts", "before"),
    ("full/recommendations", "after"),
    *PUBLISHING,
)
ROUNDS = 5
NO_ROWS = hashlib.sha256().hexdigest()


def every_commit(expected: dict[str, str]) -> tuple[Point, ...]:
    """Before and after each commit of a refresh, in its order; a table without rows has no file to die at."""
    steps = [(step.fold, import_module(f"jobs.{step.name}").OUTPUTS) for step in REFRESH]
    tables = [f"{f}/{name}" for f, names in steps for name in names if f == "full" or not table(name).for_updates]
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


@pytest.mark.faults
def test_an_update_that_is_killed_in_every_step_and_at_publishing(undisturbed, tmp_path, spark):
    calm, killed = (
        replace(undisturbed.copied(tmp_path / name), run_id="later", mode="rescore") for name in ("calm", "killed")
    )
    ended = calm.refresh()
    assert ended.code == 0, ended.output
    expected = digests(calm.lake(spark), current_release(calm.lake(spark)))
    lake = killed.lake(spark)
    before = current_release(lake)
    release = die_and_resume(killed, lake, IN_AN_UPDATE, before, kept=frozenset(before.tables.items()))
    assert digests(lake, release) == expected
    assert {name for name, version in release.tables.items() if before.tables.get(name) == version} > {"item_factors"}


def killed_and_resumed(shop, points, publish_small, expected, spark) -> None:
    lake = shop.lake(spark)
    release = die_and_resume(shop, lake, points, publish_small(lake, "before", at("2024-01-01")))
    assert digests(lake, release) == expected

"""A shop of two hundred made-up users and the least of every setting, so that a real refresh takes a minute or two."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from recsys_spark.lake import Commit, Lake, Release, current_release, publish
from tests.faults.drivers import Shop


def small_settings(lake: Path) -> dict:
    """Settings of the shop, to be changed by a test before they are written."""
    return {
        "lake": {"path": str(lake)},
        "spark": {
            "master": "local[2]",
            "driver_memory": "1g",
            "shuffle_partitions": 2,
            # Compiling a query costs more than a few hundred rows.
            "extra": {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"},
        },
        "source": {
            "kind": "synthetic",
            "synthetic": {"users": 150, "items": 60, "events_per_user": 12, "days": 60},
        },
        "vectors": {"max_features": 64, "text": False, "session": False},
        "als": {"rank": 4, "iterations": 2},
        "coldstart": {"enabled": False},
        "blocks": {
            "enabled": ["factors", "popularity", "content", "habit"],
            "content_per_user": 10,
            "neighbours": 5,
            "boosts_per_user": 20,
        },
        "backtest": {"learn_users": 40, "bootstrap": 5, "min_cold_users": 20},
    }


@pytest.fixture(scope="session")
def make_shop(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Shop]:
    """make_shop(change) writes the settings of a shop with a lake of its own; ``change`` edits them first."""

    def make(change: Callable[[dict], None] = lambda settings: None) -> Shop:
        folder = tmp_path_factory.mktemp("shop")
        settings = small_settings(folder / "lake")
        change(settings)
        conf = folder / "shop.yaml"
        conf.write_text(yaml.safe_dump(settings))
        return Shop(folder / "lake", conf, "nightly", folder / "driver.log")

    return make


@pytest.fixture(scope="session")
def undisturbed(make_shop) -> Shop:
    """A shop with one refresh that nothing happened to. Copy it before changing anything."""
    shop = make_shop()
    ended = shop.refresh()
    assert ended.code == 0, ended.output
    return shop


@pytest.fixture(scope="session")
def publish_small(rows):
    """publish_small(lake, run_id, as_of): a release of two tables with a few rows, all of which name the run."""

    def publish_release(lake: Lake, run_id: str, as_of: datetime) -> Release:
        commit = Commit(run_id, "full", as_of.isoformat(), "s")
        users = [f"{run_id}-{n}" for n in range(3)]
        tables = {
            "users": rows("users", *[{"user_id": user, "measures": {"n": 1.0}} for user in users]),
            "recommendations": rows(
                "recommendations",
                *[{"shelf": "for_you", "user_id": user, "rank": 1, "source_version": run_id} for user in users],
            ),
        }
        versions = {name: lake.overwrite(name, frame, commit) for name, frame in tables.items()}
        publish(lake, Release(run_id, as_of, "", "", versions, "", "s", "{}", {}), commit)
        return current_release(lake)

    return publish_release

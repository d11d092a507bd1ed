"""One run that is killed again and again, and taken up each time."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from recsys_spark.lake import Lake, Release, current_release
from tests.faults.digests import digests
from tests.faults.drivers import Shop, run_driver

Point = tuple[str, str]
"""FOLD/TABLE and moment, for kill_at."""


def die_and_resume(
    shop: Shop, lake: Lake, points: Sequence[Point], before: Release, kept: frozenset[tuple[str, int]] = frozenset()
) -> Release:
    """Kill the shop's run at each point in turn, look at what readers see after each kill, and let it end.

    Tables that are written at the same time may be committed when the driver dies at another one: such points are past.

    Args:
        shop: whose run.
        lake: its lake.
        points: in the order in which a refresh comes by; the last ones may be at full/releases.
        before: what readers see until the run is published.
        kept: tables and versions that the release may have from an earlier one; the run commits to none of these.

    Returns:
        The release of the run, of which each table and the publishing are one commit.
    """
    shown = digests(lake, before)
    died = 0
    for where, moment in points:
        had = committed(lake, where, shop.run_id)
        if had and where != "full/releases":
            continue
        died += 1
        ended = run_driver("tests.faults.kill_at", where, moment, *shop.arguments(), log=shop.log)
        assert ended.code == -signal.SIGKILL, f"{where} {moment}: {ended.output}"
        assert committed(lake, where, shop.run_id) == had + (moment == "after"), f"{where} {moment}"
        if not committed(lake, "full/releases", shop.run_id):
            assert current_release(lake) == before
            assert digests(lake, before) == shown
    assert died > len(points) / 2
    ended = shop.refresh()
    assert ended.code == 0, ended.output
    release = current_release(lake)
    made = [name for name, version in release.tables.items() if (name, version) not in kept]
    tables = [name if "/" in name else f"full/{name}" for name in (*made, "releases")]
    assert {name: committed(lake, name, shop.run_id) for name in tables} == dict.fromkeys(tables, 1)
    assert [r.state for r in lake.read("releases").where(f"run_id = '{shop.run_id}'").collect()] == ["published"]
    return release


def committed(lake: Lake, where: str, run_id: str) -> int:
    """How many commits of a run a table has."""
    fold, name = where.split("/")
    return sum(written["run_id"] == run_id for _, written in lake.with_fold(fold).commits(name))

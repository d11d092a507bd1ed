"""Two drivers of one run at the same time."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.drivers import Shop, end_of, start_driver

PATIENCE_SECONDS = 600


def race(shop: Shop, table: str = "") -> None:
    """Start two refreshes of the shop's run, and see one publish and the other end with code 9 and a message.

    Args:
        shop: whose run.
        table: folder of the table, below the lake's root, that the first driver commits before the second one starts;
            without one both start at once.
    """
    logs = [shop.log.with_name(f"driver-{n}.log") for n in (1, 2)]
    first = start_driver("jobs.refresh", *shop.arguments(), log=logs[0])
    if table:
        wait_for(shop.root / table / "_delta_log" / f"{0:020}.json")
    second = start_driver("jobs.refresh", *shop.arguments(), log=logs[1])
    ended = [end_of(driver, log) for driver, log in zip((first, second), logs, strict=True)]
    assert sorted(e.code for e in ended) == [0, 9], [e.output for e in ended]
    refused = next(e.output for e in ended if e.code == 9)
    assert f"run {shop.run_id}" in refused
    assert "another driver" in refused
    assert "Traceback" not in refused


def wait_for(path: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.2)

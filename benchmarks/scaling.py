"""A whole refresh of made-up shops of 1, 4 and 16 times the events: how its time grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.harness import After, Benchmark, Round, Work
from benchmarks.session import local_session
from jobs import refresh
from recsys_spark.lake import Lake

FACTORS = (1, 4, 16)
EVENTS_PER_USER = 30
USERS_PER_ITEM = 4


@dataclass(frozen=True)
class Size:
    """Users of the smallest shop."""

    users: int


def prepare(size: Size, data: Path) -> None:
    """Nothing: a refresh makes its shop."""


def refreshed(factor: int, size: Size, data: Path, out: Path) -> tuple[Work, After]:
    """``recsys refresh`` with default settings on a shop of its own."""
    users = factor * size.users
    shop = {
        "lake.path": out / "lake",
        "spark.driver_memory": "6g",
        "source.synthetic.users": users,
        "source.synthetic.items": users // USERS_PER_ITEM,
        "source.synthetic.events_per_user": EVENTS_PER_USER,
    }
    overrides = [part for key, value in shop.items() for part in ("--set", f"{key}={value}")]

    def work() -> None:
        code = refresh.main(["--conf", "conf/synthetic.yaml", "--run-id", "scaling", *overrides])
        if code:
            raise RuntimeError(f"refresh ended with exit code {code}")

    return work, partial(_save_events, out)


def check(size: Size, data: Path, outs: Mapping[str, Path]) -> str:
    """Every refresh published, and the shops differ by the factors."""
    events = {side: pq.read_table(out / "events.parquet")["n"][0].as_py() for side, out in outs.items()}
    for factor, side in zip(FACTORS, events, strict=True):
        share = events[side] / events["1x"] / factor
        assert 0.9 < share < 1.1, f"{side}: {events[side]} events, expected about {factor} times {events['1x']}"
    return "events " + ", ".join(f"{count:,} ({side})" for side, count in events.items())


def exponent(usages: Round) -> float:
    """Slope of log(seconds) over log(events), by least squares."""
    seconds = [usages[f"{factor}x"].seconds for factor in FACTORS]
    return float(np.polyfit(np.log(FACTORS), np.log(seconds), 1)[0])


def _save_events(out: Path) -> None:
    lake = Lake(local_session(), str(out / "lake"))
    assert lake.exists("releases"), "the refresh published no release"
    rows = lake.read("events").groupBy().count().withColumnRenamed("count", "n")
    pq.write_table(rows.toArrow(), out / "events.parquet")


BENCHMARK = Benchmark(
    name="scaling",
    task="a whole refresh of made-up shops of {users:,}, 4 and 16 times as many users, 30 events each",
    baseline="itself at the smallest size",
    equality="each refresh published a release, and the events differ by the factors",
    must_reach=1.1,
    aim=1.0,
    sizes={"small": Size(users=60), "medium": Size(users=500), "full": Size(users=5_000)},
    prepare=prepare,
    sides={f"{factor}x": partial(refreshed, factor) for factor in FACTORS},
    check=check,
    compare=exponent,
    unit="exponent",
    lower_is_better=True,
    repeats=1,
    note="What a refresh costs at any size, such as starting processes, makes the exponent of small shops look small.",
)

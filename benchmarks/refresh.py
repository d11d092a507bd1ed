"""An update after 1 % and 5 % of the users came back, beside a full refresh.

A full refresh learns anew, so its lists are others. That an update leaves nothing behind is seen by ``--mode rescore``,
which describes and scores everyone with the models that the update keeps: its lists must be the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from benchmarks.harness import Benchmark, Round, Work
from benchmarks.session import local_session
from jobs import refresh
from recsys_spark.config.source import SyntheticSource
from recsys_spark.lake import Lake, current_release
from recsys_spark.sources.catalogue import END
from recsys_spark.sources.synthetic import make_shop

SHARES = {"1": 0.01, "5": 0.05}
EVENTS_PER_USER = 30
USERS_PER_ITEM = 10
COME_BACK_WITH = 4
"""Events that a user who comes back has after the base release; taken from the end of the own history."""
KEYS = ("shelf", "user_id", "rank", "item_id")


@dataclass(frozen=True)
class Size:
    """Users of the shop."""

    users: int


def prepare(size: Size, data: Path) -> None:
    """The shop as files, on the first day and after each share of the users came back, and a full refresh of it."""
    items = max(size.users // USERS_PER_ITEM, 50)
    shop = SyntheticSource(users=size.users, items=items, events_per_user=EVENTS_PER_USER)
    raw = make_shop(local_session(), shop)
    attributes = {name: _flat(getattr(raw, name), data / name) for name in ("users", "items")}
    place = F.row_number().over(Window.partitionBy("user_id").orderBy(F.desc("ts"), "item_id", "event_type"))
    draw = F.pmod(F.xxhash64("user_id"), F.lit(100))
    events = raw.events.select("*", place.alias("place"), draw.alias("draw"))
    late = (F.col("place") <= COME_BACK_WITH) & (F.col("draw") < 100 * max(SHARES.values()))
    plain = _plain(raw.events)
    events.where(~late).select(*plain).write.parquet(str(data / "events"))
    hours = F.make_dt_interval(hours=F.col("place"))
    back = events.where(late).withColumn("ts", F.lit(END) + hours)
    for name, share in SHARES.items():
        shutil.copytree(data / "events", data / f"events_{name}")
        theirs = back.where(F.col("draw") < 100 * share).select(*plain)
        theirs.write.mode("append").parquet(str(data / f"events_{name}"))
    (data / "shop.yaml").write_text(yaml.safe_dump(_settings(data, attributes)))
    _refresh(data, data / "lake", "events", "full", "base")


def refreshed(mode: str, share: str, size: Size, data: Path, out: Path) -> Work:
    """``recsys refresh`` on a copy of the lake, after that share of the users came back."""
    shutil.copytree(data / "lake", out / "lake")
    local_session()
    return partial(_refresh, data, out / "lake", f"events_{share}", mode, "next")


def check(size: Size, data: Path, outs: Mapping[str, Path]) -> str:
    """An update has the lists of everyone scored anew, and its scores to 1e-5."""
    told = []
    for share in SHARES:
        scores = [_scores(outs[f"{mode}_{share}"] / "lake") for mode in ("update", "rescore")]
        assert scores[0].keys() == scores[1].keys(), f"{share} %: lists differ"
        pairs = np.array([(scores[0][key], scores[1][key]) for key in scores[0]])
        np.testing.assert_allclose(pairs[:, 0], pairs[:, 1], rtol=1e-5)
        lake = Lake(local_session(), str(outs[f"update_{share}"] / "lake"))
        changed = lake.read("changed_users").count()
        told.append(f"{len(pairs):,} places after {changed:,} of {size.users:,} users changed")
    return ", ".join(told)


def least_ratio(usages: Round) -> float:
    """How many times the time of an update a full refresh takes, at the share where that is less."""
    return usages["full_5"].seconds / max(usages[f"update_{share}"].seconds for share in SHARES)


def _plain(frame: DataFrame) -> list[str]:
    """The columns that a shop's file would have; attributes get columns of their own."""
    return [name for name, kind in frame.dtypes if not kind.startswith("map") and not name.startswith("_")]


def _flat(frame: DataFrame, path: Path) -> list[str]:
    """Write a table with a column for each attribute; returns their names."""
    held_names = frame.select(F.explode(F.map_keys("attributes")).alias("name")).distinct()
    names = sorted(row["name"] for row in held_names.collect())
    plain = _plain(frame)
    held = [F.array_join(F.col("attributes")[name], "|").alias(f"attribute_{name}") for name in names]
    frame.select(*plain, *held).write.parquet(str(path))
    return names


def _settings(data: Path, attributes: Mapping[str, list[str]]) -> dict:
    tables = {
        name: {
            "path": str(data / name),
            "list_separator": "|",
            "attributes": [f"{known}=attribute_{known}" for known in attributes.get(name, [])],
        }
        for name in ("events", "users", "items")
    }
    return {
        "spark": {"driver_memory": "6g"},
        "source": {"kind": "files", **tables},
        "als": {"iterations": 3},
        "coldstart": {"epochs": 2},
        "backtest": {"learn_users": 300, "bootstrap": 20},
    }


def _refresh(data: Path, lake: Path, events: str, mode: str, run_id: str) -> None:
    overrides = [f"lake.path={lake}", f"source.events.path={data / events}"]
    arguments = [part for override in overrides for part in ("--set", override)]
    code = refresh.main(["--conf", str(data / "shop.yaml"), "--run-id", run_id, "--mode", mode, *arguments])
    if code:
        raise RuntimeError(f"refresh --mode {mode} ended with exit code {code}")


def _scores(folder: Path) -> dict[tuple[object, ...], float]:
    lake = Lake(local_session(), str(folder))
    rows = current_release(lake).read(lake, "recommendations").select(*KEYS, "score").toArrow().to_pylist()
    return {tuple(row[key] for key in KEYS): row["score"] for row in rows}


BENCHMARK = Benchmark(
    name="refresh",
    task="an update of a made-up shop of {users:,} users, 30 choices each, after 1 % and after 5 % of them came back",
    baseline="a full refresh after 5 % of them came back",
    equality="the lists of `--mode rescore`, which scores everyone with the models that an update keeps, to 1e-5",
    must_reach=5,
    aim=10,
    sizes={"small": Size(users=150), "medium": Size(users=3_000), "full": Size(users=100_000)},
    prepare=prepare,
    sides={
        "update_5": partial(refreshed, "update", "5"),
        "rescore_5": partial(refreshed, "rescore", "5"),
        "update_1": partial(refreshed, "update", "1"),
        "rescore_1": partial(refreshed, "rescore", "1"),
        "full_5": partial(refreshed, "full", "5"),
    },
    check=check,
    compare=least_ratio,
    against="full_5",
    repeats=1,
    note="The ratio is that of the slower update. Starting, planning, committing and auditing take about a minute in "
    "each of them, whatever the shop, so that small shops gain little.",
)

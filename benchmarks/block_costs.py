"""What each scorer costs by itself, on the tables of a lake that a refresh has filled.

    python -m benchmarks.block_costs --conf CONF --set lake.path=LAKE --fold backtest

Each is built as build_blocks does with it alone enabled, and written nowhere. The seconds hold what every block needs
(the tables are read, vectors as wide as popularity assembled), so `popularity` is what nothing costs. ALS and the deep
model are steps of their own; the refresh tells their seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import get_args

import psutil
from pyspark.sql import DataFrame
from rich.console import Console
from rich.table import Table

from jobs.build_blocks import deep_width, inputs_of
from jobs.command import run_job
from jobs.context import Job
from recsys_spark.blocks.build import (
    Inputs,
    learn_items,
    learn_tables,
    make_boosts,
    make_calendar,
    make_layout,
    make_user_blocks,
    make_user_svd,
)
from recsys_spark.blocks.learned import Learned
from recsys_spark.config.learning import Scorer
from recsys_spark.kernels.keep import keeping

SAMPLED_EVERY = 0.1
GIB = 2**30


@dataclass
class Usage:
    """Of this process and all below it: wall seconds, processor seconds, and the most memory held at once in GiB."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_gib: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)


def run(job: Job) -> None:
    """Measure every scorer after a first round that warms the machine up."""
    inputs = inputs_of(job)
    _build(job, inputs, "popularity")
    shown = Table("scorer", "seconds", "processor seconds", "peak GiB")
    for scorer in get_args(Scorer):
        with measured() as usage:
            _build(job, inputs, scorer)
        shown.add_row(scorer, f"{usage.seconds:.1f}", f"{usage.cpu_seconds:.1f}", f"{usage.peak_gib:.1f}")
    Console().print(shown)


@contextmanager
def measured() -> Iterator[Usage]:
    """What the enclosed work uses."""
    usage, started, before = Usage(), time.monotonic(), _cpu_seconds()
    watcher = threading.Thread(target=_watch, args=(usage,))
    watcher.start()
    try:
        yield usage
    finally:
        usage.seconds, usage.cpu_seconds = time.monotonic() - started, _cpu_seconds() - before
        usage.done.set()
        watcher.join()


def _build(job: Job, inputs: Inputs, scorer: Scorer) -> None:
    settings = job.settings.blocks.model_copy(update={"enabled": (scorer,)})
    layout = make_layout(inputs, settings, rank=job.settings.als.rank, deep_width=deep_width(job))
    grid = job.grid(inputs.user_profiles.count(), inputs.item_vectors.count())
    with keeping() as keep:
        when = make_calendar(inputs, settings, layout)
        predicted, items = learn_items(inputs, settings, layout, when, keep)
        items = keep(items)
        svd = keep(make_user_svd(inputs, items, layout))
        tables = learn_tables(inputs, settings, layout, predicted, when, svd, seed=job.settings.backtest.seed)
        learned = Learned.read({name: keep(frame) for name, frame in tables.items()}, {})
        if layout.width:
            _computed(items)
            _computed(make_user_blocks(inputs, layout, learned, svd))
        else:
            _computed(make_boosts(inputs, settings, learned, grid))


def _computed(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def _processes() -> list[psutil.Process]:
    mine = psutil.Process()
    return [mine, *mine.children(recursive=True)]


def _cpu_seconds() -> float:
    total = 0.0
    for process in _processes():
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _watch(usage: Usage) -> None:
    while not usage.done.wait(SAMPLED_EVERY):
        held = 0
        for process in _processes():
            try:
                held += process.memory_info().rss
            except psutil.Error:
                continue
        usage.peak_gib = max(usage.peak_gib, held / GIB)


if __name__ == "__main__":
    raise SystemExit(run_job("block_costs", __doc__, run, None))

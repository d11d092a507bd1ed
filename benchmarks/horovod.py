"""Two training processes against one, one core and one thread each: how well the training scales over Horovod.

Each process takes as many examples a step, so an epoch is the same work and two processes take half as many steps. A
process has a core of its own, since reading, drawing and Horovod have threads beside that of TensorFlow. Counted are
the epochs after the first, in which TensorFlow compiles.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import training_tables
from benchmarks.harness import Benchmark, Work
from benchmarks.training_tables import Size
from recsys_spark.coldstart.launch import train

EPOCHS = 3
TIMEOUT_MINUTES = 20.0
RECALL_TOLERANCE = 0.05
A_STEP, LEAST_STEPS = 4096, 16
"""Examples of a process and step, and the steps that an epoch of one process has at least."""


def processes(count: int, size: Size, data: Path, out: Path) -> Work:
    """A training as train_coldstart starts it."""
    batch_size = count * min(A_STEP, size.examples // LEAST_STEPS)
    spec = training_tables.spec(data, out, size, epochs=EPOCHS, patience=EPOCHS, batch_size=batch_size)

    def work() -> float:
        with on_cores(count):
            lines = train(spec, count, "horovodrun" if count > 1 else "single", TIMEOUT_MINUTES).log
        (out / "log.json").write_text(json.dumps(lines))
        return statistics.median(line["seconds"] for line in lines[1:])

    return work


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Processes that are started meanwhile have so many cores between them."""
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_of_them)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


def check(size: Size, data: Path, outs: Mapping[str, Path]) -> str:
    """Both learn the taste alike; that all ranks hold the same weights is asserted by the training itself."""
    logs = {side: json.loads((out / "log.json").read_text()) for side, out in outs.items()}
    assert [logs[side][-1]["ranks"] for side in ("ours", "one_process")] == [2, 1]
    recall = {side: max(line["validation_recall"] for line in log) for side, log in logs.items()}
    assert abs(recall["ours"] - recall["one_process"]) <= RECALL_TOLERANCE, recall
    return "validation recall@10 " + ", ".join(f"{value:.4f} ({side})" for side, value in recall.items())


BENCHMARK = Benchmark(
    name="horovod",
    task="an epoch over {examples:,} examples of the cold-start model ({items:,} items, width {width}), 2 processes, "
    f"{A_STEP:,} examples a process and step",
    baseline="the same with 1 process; one core and one thread a process on either side",
    equality=f"all ranks hold the same weights; validation recall differs by at most {RECALL_TOLERANCE}",
    must_reach=1.7,
    aim=1.9,
    sizes={
        "small": Size(examples=2_000, items=400, width=8, dense=4),
        "medium": Size(examples=150_000, items=20_000),
        "full": Size(examples=1_000_000, items=100_000),
    },
    prepare=training_tables.write,
    sides={"ours": partial(processes, 2), "one_process": partial(processes, 1)},
    check=check,
    repeats=2,
    note="CPU seconds and memory are of the whole training with start and export, the ratio is of an epoch. With fewer "
    "examples a step two processes gain less, since they exchange the gradients of most items at each step: "
    "docs/scale.md.",
)

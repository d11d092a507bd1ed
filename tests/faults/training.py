"""What a test sees of a running training from outside: its processes, and how far it came."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from recsys_spark.coldstart.launch import kept_epoch

SECONDS = 60
"""Within these, all processes of a training of which one was killed have ended."""
LONG = 900
"""Patience of these tests with starting processes; no promise."""


def workers(above: psutil.Process) -> dict[int, psutil.Process]:
    """The training processes below a process, by rank."""
    found = {}
    for one in above.children(recursive=True):
        try:
            if "jobs.train_worker" in one.cmdline() and Path(one.exe()).name.startswith("python"):
                found[int(one.environ().get("HOROVOD_RANK", -1))] = one
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return {rank: one for rank, one in found.items() if rank >= 0}


def log_of(path: Path) -> list[dict]:
    """The epochs that a training has told of so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(reached: Callable[[], bool], over: Callable[[], bool] = lambda: False) -> None:
    """Wait until something is reached; it must be before something else is over."""
    deadline = time.monotonic() + LONG
    while not reached():
        assert time.monotonic() < deadline, "the training did not come so far"
        assert not over(), "the training ended before it could be disturbed"
        time.sleep(0.05)


def best(log: Sequence[Any]) -> float:
    """The loss of the epoch that is kept, in validation where there was one; a line is a mapping or a row."""
    kept = kept_epoch(log)
    return kept["loss"] if kept["validation_loss"] is None else kept["validation_loss"]

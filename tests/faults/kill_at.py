"""A refresh that dies at a given commit: ``python -m tests.faults.kill_at FOLD/TABLE MOMENT ARGUMENTS…``.

Everything is the real job; only the lake's write is watched. At the commit of the named table the process group of
driver, JVM and workers gets SIGKILL: ``before``, when the first data file is there and no commit names it yet, or
``after``, when the commit is there and the job knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from jobs import refresh
from recsys_spark.lake import Lake

WATCH_SECONDS = 0.001


def main() -> int:
    where, moment, *arguments = sys.argv[1:]
    write = Lake._write

    def watched(lake, name, *given):
        if f"{lake.fold}/{name}" != where:
            return write(lake, name, *given)
        if moment == "before":
            threading.Thread(target=_die_at_a_new_file, args=(Path(lake.path(name)),), daemon=True).start()
        write(lake, name, *given)
        _die()

    Lake._write = watched
    return refresh.main(arguments)


def _die_at_a_new_file(folder: Path) -> None:
    there = set(folder.glob("*.parquet"))
    while set(folder.glob("*.parquet")) <= there:
        time.sleep(WATCH_SECONDS)
    _die()


def _die() -> None:
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    raise SystemExit(main())

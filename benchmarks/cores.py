"""What a second process adds on this machine: ``python -m benchmarks.cores``.

Virtual processors often share a core. Then two processes do hardly more than one, and nothing that is spread over two
of them can be faster by much; figures of such a machine say so.
"""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.queues import Queue

SECONDS = 1.0
ADDITIONS_AT_ONCE = 100_000


def work_of_two() -> float:
    """How many times the work of one busy process two of them do side by side; 2 on two whole cores."""
    return sum(_side_by_side(2)) / sum(_side_by_side(1))


def _side_by_side(processes: int) -> list[float]:
    """Additions a second of each process."""
    found: Queue[float] = multiprocessing.Queue()
    running = [multiprocessing.Process(target=_count, args=(found,)) for _ in range(processes)]
    for one in running:
        one.start()
    speeds = [found.get() for _ in running]
    for one in running:
        one.join()
    return speeds


def _count(found: Queue[float]) -> None:
    started, rounds = time.monotonic(), 0
    while time.monotonic() - started < SECONDS:
        total = 0
        for number in range(ADDITIONS_AT_ONCE):
            total += number
        rounds += 1
    found.put(rounds * ADDITIONS_AT_ONCE / (time.monotonic() - started))


if __name__ == "__main__":
    print(f"two processes do {work_of_two():.2f} times the work of one")

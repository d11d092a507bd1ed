"""How many pairs of user and item kernels.tiles searches in a CPU second: by width, list, items' lengths, BLAS kernels.

    python -m benchmarks.search_kernel

One thread, USERS users and ITEMS items, SEEN items of each user left out. Each kind of kernels has processes of its
own, since OpenBLAS chooses as it is loaded. A processor without AVX-512 cannot run its kernels and has one column.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np

from recsys_spark import blas
from recsys_spark.kernels.scoring import Mixture, Pairs, Scorers, Shelf, Side
from recsys_spark.kernels.tiles import top_n

USERS, ITEMS, SEEN = 2_048, 100_000, 20
CASES = ((128, 10), (128, 100), (256, 10))
"""Width of the vectors and length of the list."""
SPREADS = {"alike": 0.0, "learned": 1.0}
"""Standard deviation of the logarithm of items' lengths. Of ALS factors of Complete Journey it is 1.0, of those of the
made-up shop of the row topn 0.4; here all directions are equally likely."""
KERNELS = {"SkylakeX": "with AVX-512", "Haswell": "without"}
REPEATS = 5


def main() -> None:
    """Print one table, in million pairs a CPU second."""
    best = blas.kernels()
    known = list(KERNELS)[list(KERNELS).index(best) :] if best in KERNELS else list(KERNELS)[-1:]
    print(
        "| width | list | lengths |",
        " | ".join(KERNELS[one] for one in known),
        "|\n|---|---|---|" + "---|" * len(known),
    )
    for width, length in CASES:
        for name, spread in SPREADS.items():
            found = [_in_process(kernels, width, length, spread) for kernels in known]
            print(f"| {width} | {length} | {name} |", " | ".join(f"{one:.0f}" for one in found), "|", flush=True)


def million_pairs_a_second(
    width: int, length: int, spread: float = 0.0, users: int = USERS, items: int = ITEMS
) -> float:
    """The best of REPEATS searches; all pairs count, those that were left out as well."""
    random = np.random.default_rng(0)
    user_side, item_side = (
        Side(random.standard_normal((rows, width), dtype=np.float32), np.zeros(rows, np.int64))
        for rows in (users, items)
    )
    lengths = np.exp(spread * random.standard_normal((items, 1), dtype=np.float32))
    item_side = Side(item_side.vectors * lengths, item_side.kinds)
    met = (random.integers(0, items, (users, 1)) + np.arange(SEEN)) % items
    seen = Pairs.of(np.repeat(np.arange(users), SEEN), met.ravel(), np.ones(met.size))
    mixture = Mixture(np.ones((1, 1, 1)), np.ones((1, 1)), np.zeros((1, 1)))
    shelf = Shelf(np.arange(items), length, exclude=True)
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        top_n(user_side, item_side, Scorers(((0, width),)), mixture, [shelf], seen)
        seconds.append(time.process_time() - began)
    return users * items / min(seconds) / 1e6


def _in_process(kernels: str, width: int, length: int, spread: float) -> float:
    env = {**os.environ, "OPENBLAS_CORETYPE": kernels, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.search_kernel", *map(str, (width, length, spread))]
    return float(subprocess.run(command, env=env, check=True, text=True, stdout=subprocess.PIPE).stdout)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(million_pairs_a_second(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
    else:
        main()

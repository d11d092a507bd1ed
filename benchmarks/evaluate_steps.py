"""Where judging lists spends its time: CPU seconds of each step of both sides of the benchmark evaluate, one session.

    python -m benchmarks.evaluate_steps 60000

The number is that of the lists, of 100 places each. Of ours each step holds the ones before it. The least of REPEATS
runs counts, so that compiling and a busy machine tell little.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pyspark.ml.evaluation import RankingEvaluator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.block_costs import measured
from benchmarks.evaluate import CUTOFFS, THEIRS, Size, grouped, prepare, tables
from recsys_spark.evaluate.user_scores import judged_places, user_scores

ITEMS = 100_000
REPEATS = 2


def main(n_lists: int) -> None:
    """Measure every step and print them as a table."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Size(n_lists, ITEMS), Path(folder))
        print("| step | CPU s |\n|---|---|")
        for name, step in _steps(Path(folder), n_lists).items():
            print(f"| {name} | {_least(step):.1f} |", flush=True)


def _steps(data: Path, n_lists: int) -> dict[str, Callable[[], None]]:
    lists, truth, popularity = tables(data)
    arrays = str(data / "arrays")
    hashed = lists.select(F.xxhash64("model"), F.xxhash64("slice", "user_id"), "rank", F.xxhash64("item_id"))
    places = judged_places(lists, truth, popularity, n_lists)
    scores = user_scores(lists, truth, popularity, CUTOFFS, n_lists)
    return {
        "both: read one row a place from Parquet": partial(_computed, lists.select("user_id", "rank", "item_id")),
        "ours: and hash the names": partial(_computed, hashed),
        "ours: and look up popularity and relevant items": partial(_computed, places),
        "ours: and all metrics at three cutoffs": partial(_computed, scores),
        "baseline: read, group to arrays, write them": lambda: (
            grouped(lists, truth).write.mode("overwrite").parquet(arrays)
        ),
        "baseline: three metrics at three cutoffs of these arrays": partial(_evaluated, lists.sparkSession, arrays),
    }


def _evaluated(spark: SparkSession, arrays: str) -> None:
    frame = spark.read.parquet(arrays).cache()
    for name in THEIRS.values():
        for k in CUTOFFS:
            RankingEvaluator(predictionCol="listed", labelCol="relevant", metricName=name, k=k).evaluate(frame)
    frame.unpersist(blocking=True)


def _computed(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def _least(step: Callable[[], None]) -> float:
    seconds = []
    for _ in range(REPEATS):
        with measured() as usage:
            step()
        seconds.append(usage.cpu_seconds)
    return min(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]))

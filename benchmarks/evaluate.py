"""Metrics of ranked lists: evaluate.metrics, as the backtest judges, against Spark's RankingMetrics.

Both sides start from the same two tables, one row a place of a list and one row a relevant item, as a recommender
leaves them. RankingMetrics is called in both ways that PySpark offers, on rows that are grouped and cached once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.ml.evaluation import RankingEvaluator
from pyspark.mllib.evaluation import RankingMetrics
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.harness import Benchmark, Work
from benchmarks.session import local_session
from recsys_spark.evaluate.bootstrap import with_intervals
from recsys_spark.evaluate.user_scores import user_scores

CUTOFFS = (10, 50, 100)
METRICS = ("recall", "precision", "f1", "ndcg", "hit_rate", "novelty")
THEIRS = {"precision": "precisionAtK", "recall": "recallAtK", "ndcg": "ndcgAtK"}
"""What RankingMetrics has of these, by its name in RankingEvaluator."""
LENGTH = max(CUTOFFS)
RELEVANT = min(CUTOFFS)
"""At most as many as the shortest list has places: there both sides define recall alike."""
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Size:
    """How many users have a list, and how many items there are."""

    users: int
    items: int


def prepare(size: Size, data: Path) -> None:
    """Lists of LENGTH places, 1 to RELEVANT relevant items a user, of which about half are listed."""
    listed, relevant = _lists(size), _relevant(size)
    users = np.arange(size.users)
    rank = np.tile(np.arange(1, LENGTH + 1, dtype=np.int32), size.users)
    _write(data / "lists.parquet", np.repeat(users, LENGTH), listed.ravel(), rank=rank)
    held = relevant >= 0
    _write(data / "truth.parquet", np.repeat(users, held.sum(axis=1)), relevant[held])
    items = np.arange(size.items)
    popularity = {"item_id": _ids("i", items), "n_users": pa.array(_met_by(size))}
    pq.write_table(pa.table(popularity), data / "popularity.parquet")


def ours(size: Size, data: Path, out: Path) -> Work:
    """The metrics that are means over users, as measure computes them."""
    lists, truth, popularity = tables(data)

    def work() -> None:
        scores = user_scores(lists, truth, popularity, CUTOFFS, size.users)
        names = [f"{metric}@{k}" for metric in METRICS for k in CUTOFFS]
        means = with_intervals(scores.withColumn("bucket", F.lit("all")), names, 0, 0).where("bucket = 'all'").collect()
        found = {row["metric"]: row["value"] for row in means}
        _save(out, found)

    return work


def ranking_metrics(size: Size, data: Path, out: Path) -> Work:
    """The RDD interface, as the recommender libraries on Spark call it."""
    spark = local_session()
    lists, truth = _read(spark, data, "lists"), _read(spark, data, "truth")

    def work() -> None:
        pairs = grouped(lists, truth).rdd.map(tuple).cache()
        metrics = RankingMetrics(pairs)
        calls = {"precision": metrics.precisionAt, "recall": metrics.recallAt, "ndcg": metrics.ndcgAt}
        _save(out, {f"{name}@{k}": call(k) for name, call in calls.items() for k in CUTOFFS})

    return work


def ranking_evaluator(size: Size, data: Path, out: Path) -> Work:
    """The DataFrame interface to the same class, which stays in the JVM."""
    spark = local_session()
    lists, truth = _read(spark, data, "lists"), _read(spark, data, "truth")

    def work() -> None:
        pairs = grouped(lists, truth).cache()
        evaluator = partial(RankingEvaluator, predictionCol="listed", labelCol="relevant")
        found = {
            f"{name}@{k}": evaluator(metricName=called, k=k).evaluate(pairs)
            for name, called in THEIRS.items()
            for k in CUTOFFS
        }
        _save(out, found)

    return work


def check(size: Size, data: Path, outs: Mapping[str, Path]) -> str:
    """All figures equal an independent computation on matrices."""
    expected = plainly(_lists(size), _relevant(size), _met_by(size), size.users)
    worst = {}
    for side, out in outs.items():
        found = json.loads((out / "metrics.json").read_text())
        assert found.keys() == expected.keys() if side == "ours" else found.keys() <= expected.keys(), found.keys()
        worst[side] = max(abs(found[name] - expected[name]) for name in found)
        assert worst[side] <= TOLERANCE, f"{side} differs by {worst[side]:.2e}, expected at most {TOLERANCE:g}"
    return "largest difference " + ", ".join(f"{value:.1e} ({side})" for side, value in worst.items())


def plainly(listed: np.ndarray, relevant: np.ndarray, met_by: np.ndarray, n_users: int) -> dict[str, float]:
    """The metrics from their definitions: listed [users, LENGTH], relevant [users, RELEVANT] padded with -1."""
    n_relevant = (relevant >= 0).sum(axis=1)
    hit = np.stack([np.isin(row, wanted[wanted >= 0]) for row, wanted in zip(listed, relevant, strict=True)])
    discount = 1 / np.log2(np.arange(2, LENGTH + 2))
    surprise = -np.log2(met_by[listed] / n_users)
    means = {}
    for k in CUTOFFS:
        precision, recall = hit[:, :k].mean(axis=1), hit[:, :k].sum(axis=1) / n_relevant
        both = precision + recall
        means[f"precision@{k}"], means[f"recall@{k}"] = precision, recall
        means[f"f1@{k}"] = 2 * precision * recall / np.where(both > 0, both, 1)
        means[f"ndcg@{k}"] = (hit[:, :k] * discount[:k]).sum(axis=1) / np.cumsum(discount)[n_relevant - 1]
        means[f"hit_rate@{k}"] = hit[:, :k].any(axis=1)
        means[f"novelty@{k}"] = surprise[:, :k].mean(axis=1)
    return {name: float(values.mean()) for name, values in means.items()}


def grouped(lists: DataFrame, truth: DataFrame) -> DataFrame:
    """Lists (best first) and relevant items, as the interface wants them: arrays of doubles."""
    places = F.array_sort(F.collect_list(F.struct("rank", "item")))
    listed = (
        lists.groupBy("user_id").agg(places.alias("places")).select("user_id", F.col("places.item").alias("listed"))
    )
    relevant = truth.groupBy("user_id").agg(F.collect_list("item").alias("relevant"))
    return listed.join(relevant, "user_id").select("listed", "relevant")


def tables(data: Path) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Lists of one model, truth of one slice, and popularity; for the baselines with their items as numbers."""
    spark = local_session()
    lists, truth, popularity = (_read(spark, data, name) for name in ("lists", "truth", "popularity"))
    one_slice = F.lit("all users").alias("slice")
    return lists.select(F.lit("ours").alias("model"), one_slice, "*"), truth.select(one_slice, "*"), popularity


def _lists(size: Size) -> np.ndarray:
    """[users, LENGTH] distinct item numbers a row."""
    random = np.random.default_rng(0)
    start, step = random.integers(0, size.items, (size.users, 1)), 1 + random.integers(0, 50, (size.users, 1))
    return (start + step * np.arange(LENGTH)) % size.items


def _relevant(size: Size) -> np.ndarray:
    """[users, RELEVANT] distinct item numbers a row, padded with -1: listed ones, or their successors."""
    random = np.random.default_rng(1)
    place = np.argsort(random.random((size.users, LENGTH)), axis=1)[:, :RELEVANT]
    other = random.random((size.users, RELEVANT)) < 0.5
    found = (np.take_along_axis(_lists(size), place, axis=1) + other * (size.items // 2)) % size.items
    missing = np.arange(RELEVANT) >= random.integers(1, RELEVANT + 1, (size.users, 1))
    return np.where(missing, -1, found)


def _met_by(size: Size) -> np.ndarray:
    """How many users met each item."""
    return np.random.default_rng(2).integers(1, size.users, size.items)


def _write(path: Path, users: np.ndarray, items: np.ndarray, **others: np.ndarray) -> None:
    """Ids as text, and for the baselines the items as numbers as well."""
    columns = {"user_id": _ids("u", users), "item_id": _ids("i", items), "item": pa.array(items.astype(float))}
    columns |= {name: pa.array(values) for name, values in others.items()}
    pq.write_table(pa.table(columns), path, row_group_size=1_000_000)


def _ids(letter: str, numbers: np.ndarray) -> pa.Array:
    return pa.array(np.char.add(letter, np.char.zfill(numbers.astype("U"), 8)))


def _read(spark: SparkSession, data: Path, name: str) -> DataFrame:
    return spark.read.parquet(str(data / f"{name}.parquet"))


def _save(out: Path, found: Mapping[str, float]) -> None:
    (out / "metrics.json").write_text(json.dumps(found))


BENCHMARK = Benchmark(
    name="evaluate",
    task="{users:,} lists of 100 places: 6 metrics at 3 cutoffs",
    baseline="Spark's RankingMetrics for the 3 of them that it has, by the faster of its two interfaces",
    equality="every figure of both sides equals an independent NumPy implementation to 1e-9",
    must_reach=15,
    aim=40,
    sizes={
        "small": Size(users=300, items=20_000),
        "medium": Size(users=60_000, items=100_000),
        "full": Size(users=300_000, items=100_000),
    },
    prepare=prepare,
    sides={"ours": ours, "ranking_metrics": ranking_metrics, "ranking_evaluator": ranking_evaluator},
    check=check,
    repeats=2,
    warm_up=True,
    note=(
        "From one row a place the ratio that must be reached cannot be had: reading the rows alone takes about a "
        "tenth of what the faster baseline takes in all (docs/scale.md has the seconds of each step)."
    ),
)

"""Every user's best items: rank.topn, as the job recommend calls it, against Spark's recommendForAllUsers.

Both sides read the same factors, leave out the same items that each user has seen, and write their lists as Parquet.
The baseline asks for as many items more as a user has seen and filters them, since it cannot leave any out by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.ml.recommendation import ALSModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.harness import Benchmark, Work
from benchmarks.session import local_session
from recsys_spark.config.settings import RankSettings
from recsys_spark.kernels.arrow import list_column, matrix
from recsys_spark.kernels.grid import Grid
from recsys_spark.rank.topn import top_n
from recsys_spark.rank.variants import Variant

BLOCK_SIZES = (1024, 4096, 16384)
SEEN = 20
"""Items that each user has seen."""
CHECKED = 200
"""Users whose lists are compared with a brute-force search in float64."""
SHELF = "for_you"


@dataclass(frozen=True)
class Size:
    """How many users and items, the width of their vectors, and the length of a list."""

    users: int
    items: int
    rank: int
    k: int


def prepare(size: Size, data: Path) -> None:
    """Factors and seen items; items differ in length, as popularity makes them differ."""
    random = np.random.default_rng(0)
    _write(data, "user", _factors(random, size.users, size.rank))
    spread = 0.5 + random.random((size.items, 1), dtype=np.float32)
    _write(data, "item", _factors(random, size.items, size.rank) * spread)
    seen = (random.integers(0, size.items, (size.users, 1)) + np.arange(SEEN) * 7) % size.items
    numbers = {"user": np.repeat(np.arange(size.users), SEEN), "item": seen.ravel()}
    ids = {f"{name}_id": _ids(name, of) for name, of in numbers.items()}
    pq.write_table(pa.table({**numbers, **ids}), data / "seen.parquet")


def ours(size: Size, data: Path, out: Path) -> Work:
    """The lists as recommend makes them from blocks, on one shelf that leaves out what was seen."""
    spark = local_session()
    users, items, seen = (spark.read.parquet(str(data / f"{name}.parquet")) for name in ("users", "items", "seen"))
    user_blocks = users.select("user_id", F.lit("warm").alias("route"), "vector")
    item_blocks = items.select("item_id", F.lit("established").alias("item_group"), "vector")
    excluded = seen.select("user_id", "item_id")
    boosts = spark.createDataFrame([], "user_id string, item_id string, scorer string, value double")
    settings, cores = RankSettings(), spark.sparkContext.defaultParallelism

    def work() -> None:
        grid = Grid.of(size.users, size.items, settings.users_per_task, settings.items_per_task, cores)
        lists = top_n(
            user_blocks,
            item_blocks,
            boosts,
            {"factors": (0, size.rank)},
            item_blocks.select(F.lit(SHELF).alias("shelf"), "item_id"),
            excluded,
            [Variant.single("factors")],
            {SHELF: (size.k, True)},
            grid.user_buckets,
            grid.item_shards,
        )
        lists.write.parquet(str(out / "lists"))

    return work


def spark_als(block_size: int, size: Size, data: Path, out: Path) -> Work:
    """What a Spark user writes today."""
    spark = local_session()
    columns = F.col("idx").alias("id"), F.col("vector").alias("features")
    users, items = (spark.read.parquet(str(data / f"{name}.parquet")).select(*columns) for name in ("users", "items"))
    seen = spark.read.parquet(str(data / "seen.parquet")).groupBy("user").agg(F.collect_set("item").alias("seen"))
    model = _als_model(spark, size.rank, users, items, block_size)

    def work() -> None:
        more = model.recommendForAllUsers(size.k + SEEN).join(seen, "user", "left")
        unseen = F.filter("recommendations", lambda one: ~F.array_contains("seen", one["item"]))
        lists = more.select("user", F.slice(unseen, 1, size.k).alias("recommendations"))
        lists.write.parquet(str(out / "lists"))

    return work


def check(size: Size, data: Path, outs: Mapping[str, Path]) -> str:
    """Exactly the lists of a brute-force search in float64; the baseline may swap near ties of float32."""
    users, items = (matrix(pq.read_table(data / f"{name}.parquet")["vector"]) for name in ("users", "items"))
    chosen = np.unique(np.linspace(0, size.users - 1, CHECKED).astype(int))
    scores = users[chosen].astype(np.float64) @ items.astype(np.float64).T
    seen = pq.read_table(data / "seen.parquet")["item"].to_numpy().reshape(-1, SEEN)
    np.put_along_axis(scores, seen[chosen], -np.inf, axis=1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, : size.k]
    agreeing = {}
    for side, out in outs.items():
        found = _found(side, out / "lists", size)[chosen]
        agreeing[side] = float((found == best).mean())
        wanted = 1.0 if side == "ours" else 0.999
        assert agreeing[side] >= wanted, f"{side}: {agreeing[side]:.4%} of the places agree, expected {wanted:.1%}"
    return "places that agree: " + ", ".join(f"{share:.3%} ({side})" for side, share in agreeing.items())


def _found(side: str, folder: Path, size: Size) -> np.ndarray:
    """Item numbers [users, k] that a side wrote."""
    table = pq.read_table(folder)
    if side == "ours":
        users, ranks, items = (
            np.array(table[name].to_numpy() if name == "rank" else _numbers(table[name]))
            for name in ("user_id", "rank", "item_id")
        )
        found = np.full((size.users, size.k), -1)
        found[users, ranks - 1] = items
        return found
    flat = table["recommendations"].combine_chunks().flatten().field("item").to_numpy()
    return flat.reshape(-1, size.k)[np.argsort(table["user"].to_numpy())]


def _numbers(ids: pa.ChunkedArray) -> np.ndarray:
    return np.array([int(one[1:]) for one in ids.to_pylist()])


def _factors(random: np.random.Generator, rows: int, rank: int) -> np.ndarray:
    return random.standard_normal((rows, rank), dtype=np.float32)


def _write(data: Path, name: str, vectors: np.ndarray) -> None:
    """One row a vector: the number that the baseline goes by, the id that ours goes by, and the vector."""
    idx = np.arange(len(vectors), dtype=np.int32)
    table = pa.table({"idx": idx, f"{name}_id": _ids(name, idx), "vector": list_column(vectors)})
    pq.write_table(table, data / f"{name}s.parquet", row_group_size=10_000)


def _ids(name: str, numbers: np.ndarray) -> pa.Array:
    """Ids whose order is that of the numbers, so that ties break alike."""
    return pa.array(np.char.add(name[0], np.char.zfill(numbers.astype("U"), 8)))


def _als_model(spark: SparkSession, rank: int, users: DataFrame, items: DataFrame, block_size: int) -> ALSModel:
    """A fitted model around given factors; PySpark has no constructor for it."""
    model = spark.sparkContext._jvm.org.apache.spark.ml.recommendation.ALSModel("als", rank, users._jdf, items._jdf)
    return ALSModel(model.setUserCol("user").setItemCol("item").setBlockSize(block_size))


BENCHMARK = Benchmark(
    name="topn",
    task="the best {k} of {items:,} items for {users:,} users, rank {rank}, seen items left out",
    baseline="Spark ML recommendForAllUsers, the best of three block sizes",
    equality=f"ours equals a brute-force search in float64 for {CHECKED} users; the baseline in 99.9 % of the places",
    must_reach=8,
    aim=20,
    sizes={
        "small": Size(users=60, items=300, rank=8, k=10),
        "medium": Size(users=10_000, items=100_000, rank=128, k=100),
        "full": Size(users=100_000, items=100_000, rank=128, k=100),
    },
    prepare=prepare,
    sides={"ours": ours, **{f"spark_{size}": partial(spark_als, size) for size in BLOCK_SIZES}},
    check=check,
    warm_up=True,
    repeats=2,
    note="docs/scale.md has where our time goes: about half is the search, half of that the products alone.",
)

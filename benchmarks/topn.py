"""Every user's best items: the search of the job recommend against Spark's recommendForAllUsers.

The factors are those that Spark's ALS learns from a made-up shop. Both sides read the same, leave out the same items
that each user has seen, and write a row a list, items and their scores, as Parquet. What each scorer gave to a score,
which our search hands over as well, is not written. The baseline asks for as many items more as a user has seen and
filters them, since it cannot leave any out by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks import als
from benchmarks.harness import Benchmark, Work
from benchmarks.session import local_session
from recsys_spark.blocks.learned import no_rows
from recsys_spark.config.ranking import RankSettings
from recsys_spark.kernels.arrow import list_column, matrix
from recsys_spark.kernels.grid import Grid
from recsys_spark.rank.topn import TopN
from recsys_spark.rank.variants import Variant

BLOCK_SIZES = (4096, 16384, 65536)
ITERATIONS = 3
SEEN = 20
"""Items at most that each user has seen."""
CHECKED = 200
"""Users whose lists are compared with a brute-force search in float64."""
SHELF = "for_you"


@dataclass(frozen=True)
class Size:
    """How many users and items, what they are learned from, the width of their vectors, and the length of a list."""

    users: int
    items: int
    events: int
    rank: int
    k: int


def prepare(size: Size, data: Path) -> None:
    """Factors, and SEEN of the items that each user has met, as far as there are so many."""
    met = als.Size(size.users, size.items, size.events, size.rank, ITERATIONS)
    user, item, sessions, _ = als.interactions(met)
    for name, vectors in zip(("user", "item"), _learned(met, user, item, sessions), strict=True):
        _write(data, name, vectors)
    place = np.arange(len(user)) - np.searchsorted(user, user)  # pairs come in ascending order of users
    numbers = {"user": user[place < SEEN], "item": item[place < SEEN]}
    ids = {f"{name}_id": _ids(name, of) for name, of in numbers.items()}
    pq.write_table(pa.table({**numbers, **ids}), data / "seen.parquet")


def ours(size: Size, data: Path, out: Path) -> Work:
    """The lists as recommend searches them in blocks, on one shelf that leaves out what was seen."""
    spark = local_session()
    users, items, seen = (spark.read.parquet(str(data / f"{name}.parquet")) for name in ("users", "items", "seen"))
    user_blocks = users.select("user_id", F.lit("warm").alias("route"), "vector")
    item_blocks = items.select("item_id", F.lit("established").alias("item_group"), "vector")
    excluded = seen.select("user_id", "item_id")
    boosts = no_rows(users, "boosts")
    settings, cores = RankSettings(), spark.sparkContext.defaultParallelism

    def work() -> None:
        grid = Grid.of(size.users, size.items, settings.users_per_task, settings.items_per_task, cores)
        search = TopN(
            user_blocks,
            item_blocks,
            boosts,
            {"factors": (0, size.rank)},
            item_blocks.select(F.lit(SHELF).alias("shelf"), "item_id"),
            excluded,
            [Variant.single("factors")],
            {SHELF: (size.k, True)},
        )
        lists = search.lists_by_shard(grid)
        lists.select("user_id", "item_ids", "logits").write.parquet(str(out / "lists"))

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
    seen = pq.read_table(data / "seen.parquet")
    row = np.searchsorted(chosen, seen["user"].to_numpy())
    theirs = np.isin(seen["user"].to_numpy(), chosen)
    scores[row[theirs], seen["item"].to_numpy()[theirs]] = -np.inf
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
        flat, users = _numbers(table["item_ids"].combine_chunks().flatten()), _numbers(table["user_id"])
        return flat.reshape(-1, size.k)[np.argsort(users)]
    flat = table["recommendations"].combine_chunks().flatten().field("item").to_numpy()
    return flat.reshape(-1, size.k)[np.argsort(table["user"].to_numpy())]


def _numbers(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.array([int(one[1:]) for one in ids.to_pylist()])


def _learned(met: als.Size, user: np.ndarray, item: np.ndarray, sessions: np.ndarray) -> list[np.ndarray]:
    """Factors [users, rank] and [items, rank] of Spark's ALS; zeros for who met nothing."""
    columns = {"user": pa.array(user, pa.int32()), "item": pa.array(item, pa.int32()), "rating": np.log1p(sessions)}
    rated = local_session().createDataFrame(pa.table(columns))
    model = ALS(
        rank=met.rank, maxIter=met.iterations, implicitPrefs=True, seed=0, userCol="user", itemCol="item",
        alpha=als.SETTINGS.alpha, regParam=als.SETTINGS.regularization, ratingCol="rating",
    ).fit(rated)  # fmt: skip
    found = []
    for rows, factors in ((met.users, model.userFactors), (met.items, model.itemFactors)):
        table = factors.toArrow()
        found.append(np.zeros((rows, met.rank), np.float32))
        found[-1][table["id"].to_numpy()] = matrix(table["features"])
    return found


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
        "small": Size(users=60, items=300, events=3_000, rank=8, k=10),
        "medium": Size(users=20_000, items=100_000, events=1_000_000, rank=128, k=100),
        "full": Size(users=100_000, items=100_000, events=3_000_000, rank=128, k=100),
    },
    prepare=prepare,
    sides={"ours": ours, **{f"spark_{size}": partial(spark_als, size) for size in BLOCK_SIZES}},
    check=check,
    warm_up=True,
    repeats=2,
    note="Spark's ALS learned the factors from a made-up shop, so items differ in length as learned ones do, and the "
    "search leaves out those that are too short for a list. docs/scale.md has what it costs where none is.",
)

"""Implicit ALS: warm.als as train_als calls it, against Spark ML's ALS as it comes and with tuned blocks.

All sides start from the same interactions and positions of users and items, take the same number of iterations, and
write their factors. They are held to the value of the objective that they minimise and to the places of held-out items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from benchmarks.harness import Benchmark, Work
from benchmarks.session import local_session
from recsys_spark.config.learning import AlsSettings
from recsys_spark.config.ranking import RankSettings
from recsys_spark.kernels.arrow import matrix
from recsys_spark.kernels.grid import Grid
from recsys_spark.kernels.keep import let_go_of_rdds
from recsys_spark.warm.als import fit_als, ratings
from recsys_spark.warm.fold_in import fold_in

K = 10
GROUPS = 40
"""Tastes: a user takes four of five items from the own group."""
JUDGED = 2_000
"""Users of whom one item is held out."""
SETTINGS, RANK = AlsSettings(regularization=0.1), RankSettings()
OBJECTIVE_TOLERANCE, NDCG_TOLERANCE = 0.01, 0.01
BLOCKS_PER_CORE = 2
"""Of the tuned baseline. Spark's own default is 10 blocks of users and of items, whatever the machine."""


@dataclass(frozen=True)
class Size:
    """Users, items, their interactions, and the fit."""

    users: int
    items: int
    events: int
    rank: int
    iterations: int


def prepare(size: Size, data: Path) -> None:
    """Interactions, positions of users and items, and one held-out item for each of JUDGED users."""
    user, item, sessions, held_out = interactions(size)
    columns = {"user_id": _ids("u", user), "item_id": _ids("i", item), "n_sessions": pa.array(sessions)}
    bought = pa.array((sessions > 1).astype(np.int64))
    pq.write_table(pa.table({**columns, "n_purchases": bought}), data / "interactions.parquet", row_group_size=100_000)
    for letter, name, count in (("u", "user", size.users), ("i", "item", size.items)):
        number = np.arange(count)
        positions = {f"{name}_id": _ids(letter, number), f"{name}_idx": pa.array(number)}
        pq.write_table(pa.table(positions), data / f"{name}s.parquet")
    np.save(data / "held_out.npy", held_out)


def ours(size: Size, data: Path, out: Path) -> Work:
    """What train_als does between reading and writing."""
    met, users, items = _read(data)
    settings = SETTINGS.model_dump(include={"regularization", "alpha", "browse_weight", "seed", "checkpoint"})

    def work() -> None:
        with let_go_of_rdds(met.sparkSession):
            learned = fit_als(met, users, items, rank=size.rank, iterations=size.iterations, **settings)
            learned.write.parquet(str(out / "item"))
        factors = met.sparkSession.read.parquet(str(out / "item"))
        grid = Grid.of(users.count(), items.count(), RANK.users_per_task, RANK.items_per_task, 2)
        sizes = {"rank": size.rank, "regularization": SETTINGS.regularization, "alpha": SETTINGS.alpha}
        rated = ratings(met, SETTINGS.browse_weight)
        fold_in(rated, factors, **sizes, buckets=grid.user_buckets).write.parquet(str(out / "user"))

    return work


def spark_als(blocks: int | None, checkpoint: bool, size: Size, data: Path, out: Path) -> Work:
    """What a Spark user writes today."""
    met, users, items = _read(data)
    spark = met.sparkSession
    if checkpoint:
        spark.sparkContext.setCheckpointDir(str(out / "checkpoint"))

    def work() -> None:
        als = ALS(
            rank=size.rank,
            maxIter=size.iterations,
            regParam=SETTINGS.regularization,
            implicitPrefs=True,
            alpha=SETTINGS.alpha,
            seed=SETTINGS.seed,
            userCol="user_idx",
            itemCol="item_idx",
            ratingCol="rating",
        )
        if blocks:
            als = als.setNumUserBlocks(blocks).setNumItemBlocks(blocks)
        model = als.fit(_ratings(met, users, items))
        for name, factors in (("user", model.userFactors), ("item", model.itemFactors)):
            named = F.format_string(f"{name[0]}%08d", "id").alias(f"{name}_id")
            factors.select(named, F.col("features").alias("factors")).write.parquet(str(out / name))

    return work


def tuned(size: Size, data: Path, out: Path) -> Work:
    """Blocks by the number of cores, and a checkpoint every ten iterations."""
    return spark_als(BLOCKS_PER_CORE * local_session().sparkContext.defaultParallelism, True, size, data, out)


def check(size: Size, data: Path, outs: Mapping[str, Path]) -> str:
    """Ours ends at the baselines' objective and ndcg, or better."""
    ratings, held_out = _matrix(size), np.load(data / "held_out.npy")
    reached, ndcg = {}, {}
    for side, out in outs.items():
        users, items = (
            _factors(out / name, f"{name}_id", n) for name, n in (("user", size.users), ("item", size.items))
        )
        reached[side], ndcg[side] = objective(ratings, users, items), _ndcg(ratings, users, items, held_out)
    others = [side for side in outs if side != "ours"]
    best = min(reached[side] for side in others)
    assert reached["ours"] <= best * (1 + OBJECTIVE_TOLERANCE), reached
    assert ndcg["ours"] >= max(ndcg[side] for side in others) - NDCG_TOLERANCE, ndcg
    shown = [f"{reached[side]:.4g} and {ndcg[side]:.4f} ({side})" for side in outs]
    return f"objective and ndcg@{K} of held-out items " + ", ".join(shown)


def objective(ratings: sp.csr_matrix, users: np.ndarray, items: np.ndarray) -> float:
    """What implicit ALS minimises, regularised as Spark does: by the number of a user's or an item's interactions.

    sum over all pairs of c (p - x'y)² + lambda (sum of n_u |x_u|² + sum of n_i |y_i|²), where c = 1 + alpha r and p = 1
    for a pair with r > 0, else c = 1 and p = 0.
    """
    coo = ratings.tocoo()
    everywhere = float(np.sum((users.T @ users) * (items.T @ items)))
    met = 0.0
    for start in range(0, coo.nnz, 1_000_000):
        here = slice(start, start + 1_000_000)
        score = np.einsum("ij,ij->i", users[coo.row[here]], items[coo.col[here]])
        met += float(((1 + SETTINGS.alpha * coo.data[here]) * (1 - score) ** 2 - score**2).sum())
    norms = [np.square(side).sum(axis=1) for side in (users, items)]
    penalty = sum(float(ratings.getnnz(axis=1 - axis) @ norms[axis]) for axis in (0, 1))
    return everywhere + met + SETTINGS.regularization * penalty


def _ndcg(ratings: sp.csr_matrix, users: np.ndarray, items: np.ndarray, held_out: np.ndarray) -> float:
    """Mean of 1 / log2(1 + place) of the held-out item among the items that its user has not met, 0 below place K."""
    scores = users[: len(held_out)] @ items.T
    row, column = ratings[: len(held_out)].nonzero()
    scores[row, column] = -np.inf
    own = scores[np.arange(len(held_out)), held_out]
    place = 1 + (scores > own[:, None]).sum(axis=1)
    return float(np.where(place <= K, 1 / np.log2(1 + place), 0.0).mean())


def _ratings(met: DataFrame, users: DataFrame, items: DataFrame) -> DataFrame:
    engagement = F.when(F.col("n_purchases") > 0, 1.0).otherwise(SETTINGS.browse_weight)
    rating = (F.log1p("n_sessions") * engagement).cast("float").alias("rating")
    positions = [F.col(f"{name}_idx").cast("int").alias(f"{name}_idx") for name in ("user", "item")]
    return met.join(users, "user_id").join(items, "item_id").select(*positions, rating)


def _matrix(size: Size) -> sp.csr_matrix:
    """The ratings [users, items] of the interactions."""
    user, item, sessions, _ = interactions(size)
    values = np.log1p(sessions) * np.where(sessions > 1, 1.0, SETTINGS.browse_weight)
    return sp.csr_matrix((values, (user, item)), shape=(size.users, size.items))


def interactions(size: Size) -> tuple[np.ndarray, ...]:
    """User, item and sessions of every pair that met, and the held-out item of each of the first users."""
    random = np.random.default_rng(0)
    user = random.integers(0, size.users, size.events)
    item = _drawn(random, user, size)
    held_out = _drawn(random, np.arange(min(JUDGED, size.users)), size)
    pairs, sessions = np.unique(user * size.items + item, return_counts=True)
    user, item = pairs // size.items, pairs % size.items
    kept = (user >= len(held_out)) | (item != held_out[np.minimum(user, len(held_out) - 1)])
    return user[kept], item[kept], sessions[kept], held_out


def _drawn(random: np.random.Generator, user: np.ndarray, size: Size) -> np.ndarray:
    """An item for each user, popular ones more often."""
    item = np.floor(random.random(len(user)) ** 2 * size.items).astype(np.int64)
    own = np.minimum(item - item % GROUPS + user % GROUPS, size.items - 1)
    return np.where(random.random(len(user)) < 0.8, own, item)


def _factors(folder: Path, key: str, rows: int) -> np.ndarray:
    """Factors [rows, rank] by the number in the id; zeros where there are none."""
    table = pq.read_table(folder)
    vectors = matrix(table["factors"], np.float64)
    found = np.zeros((rows, vectors.shape[1]))
    found[[int(one[1:]) for one in table[key].to_pylist()]] = vectors
    return found


def _ids(letter: str, numbers: np.ndarray) -> pa.Array:
    return pa.array(np.char.add(letter, np.char.zfill(numbers.astype("U"), 8)))


def _read(data: Path) -> tuple[DataFrame, DataFrame, DataFrame]:
    spark = local_session()
    met, users, items = (
        spark.read.parquet(str(data / f"{name}.parquet")) for name in ("interactions", "users", "items")
    )
    return met, users, items


BENCHMARK = Benchmark(
    name="als",
    task="{iterations} iterations over {events:,} events of {users:,} users with {items:,} items, rank {rank}",
    baseline="Spark ML's ALS with its default of 10 blocks, and with blocks by the number of cores and checkpoints",
    equality=f"the objective is at most {OBJECTIVE_TOLERANCE:.0%} above the lowest of the baselines, "
    f"ndcg@{K} at most {NDCG_TOLERANCE} below the highest",
    must_reach=1,
    aim=4,
    sizes={
        "small": Size(users=200, items=80, events=4_000, rank=8, iterations=4),
        "medium": Size(users=60_000, items=10_000, events=3_000_000, rank=64, iterations=3),
        "full": Size(users=60_000, items=10_000, events=3_000_000, rank=128, iterations=10),
    },
    prepare=prepare,
    sides={
        "ours": ours,
        "spark_default": partial(spark_als, None, False),
        "spark_tuned": tuned,
    },
    check=check,
    repeats=1,
    warm_up=True,
    note="Ours is Spark ML's fit as well, without its last half-step: folding users in takes its place.",
)

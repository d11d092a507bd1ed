"""Matrix factorisation of implicit feedback: the factors of items with events. Users are folded in; see ``fold_in``."""

from __future__ import annotations

from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import ContractError

MAX_POSITION = 2**31 - 1
"""Spark's ALS holds ids as 32-bit integers."""
MAX_BLOCKS = 64


def fit_als(
    interactions: DataFrame,
    user_profiles: DataFrame,
    item_vectors: DataFrame,
    *,
    rank: int,
    iterations: int,
    regularization: float,
    alpha: float,
    browse_weight: float,
    seed: int,
    checkpoint: str | None = None,
) -> DataFrame:
    """Factors of all items with events, after contract ``item_factors``; maybe no row.

    What the fit holds on the executors serves the reading of these rows; see ``keep.let_go_of_rdds``.

    Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets" (2008): confidence is
    1 + alpha · r, here with r = log(1 + n_sessions), times ``browse_weight`` for pairs without a purchase. Spark scales
    the regularisation of a user or item by the number of its interactions (Zhou et al., 2008).

    Args:
        interactions: user_id, item_id, n_sessions, n_purchases.
        user_profiles: user_id and user_idx.
        item_vectors: item_id and item_idx.
        rank: length of the factors.
        iterations: alternations; each solves for all users and all items once.
        regularization: lambda, per interaction.
        alpha: growth of confidence with r.
        browse_weight: confidence of a pair without a purchase, relative to one with.
        seed: of the initial factors.
        checkpoint: folder that every host reaches, for long lineages on clusters; None keeps the lineage.

    Raises:
        ContractError: a position does not fit into 32 bits.
    """
    users = _positions(user_profiles, "user_id", "user_idx")
    items = _positions(item_vectors, "item_id", "item_idx")
    spark = interactions.sparkSession
    if checkpoint:
        spark.sparkContext.setCheckpointDir(checkpoint)
    rated = ratings(interactions, browse_weight).join(users, "user_id", "inner").join(items, "item_id", "inner")
    if rated.isEmpty():  # a day on which nobody that may be learned from did anything
        return items.select("item_id", F.array().cast("array<float>").alias("factors")).limit(0)
    asked = spark.conf.get("spark.sql.shuffle.partitions", None)
    blocks = _blocks(asked)
    # Spark solves for the users last, which folding in does here. Where the final factors are not to be stored, it
    # leaves that solution to whoever reads it. (Where users and items change places it solves for the items last, but
    # from random items the objective falls more slowly than from random users.)
    model = ALS(
        rank=rank,
        maxIter=iterations,
        regParam=regularization,
        implicitPrefs=True,
        alpha=alpha,
        seed=seed,
        userCol="user_idx",
        itemCol="item_idx",
        ratingCol="rating",
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        checkpointInterval=5 if checkpoint else -1,
        finalStorageLevel="NONE",
    ).fit(rated.select("user_idx", "item_idx", "rating"))
    factors = model.itemFactors.select(F.col("id").alias("item_idx"), F.col("features").alias("factors"))
    return factors.join(items, "item_idx", "inner").select("item_id", "factors")


def ratings(interactions: DataFrame, browse_weight: float) -> DataFrame:
    """user_id, item_id and rating (float, above 0) of every interaction."""
    engagement = F.when(F.col("n_purchases") > 0, 1.0).otherwise(browse_weight)
    rating = F.log1p(F.col("n_sessions")) * engagement
    return interactions.select("user_id", "item_id", rating.cast("float").alias("rating")).where(F.col("rating") > 0)


def _blocks(asked: str | None) -> int:
    """As many as a shuffle has partitions, at most MAX_BLOCKS, which also stands for the word auto of Databricks.

    Spark draws the first factors block by block, so the number must not follow the machines.
    """
    return min(int(asked), MAX_BLOCKS) if asked and asked.isdecimal() else MAX_BLOCKS


def _positions(frame: DataFrame, id_column: str, idx_column: str) -> DataFrame:
    """Ids and positions as int. This asks Spark for the largest position, so that the fit fails early and in words."""
    found = frame.agg(F.max(idx_column).alias("largest")).first()
    if found and found["largest"] is not None and found["largest"] > MAX_POSITION:
        raise ContractError(
            f"{idx_column}: found {found['largest']}, expected at most {MAX_POSITION}, the largest id of Spark's ALS. "
            "Train on fewer rows, such as those with recent events."
        )
    return frame.select(id_column, F.col(idx_column).cast("int").alias(idx_column))

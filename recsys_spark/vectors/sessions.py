"""item2vec: items that occur in the same sessions get near vectors."""

from __future__ import annotations

from pyspark.ml.feature import Word2Vec
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from recsys_spark.kernels.event_columns import session_key

MAX_SESSIONS = 50_000
"""Sessions learned from; beyond, a sample by hash."""
MAX_ITEMS = 100_000
"""Items learned, the most frequent first: Word2Vec holds its vocabulary on the driver."""
MIN_ITEM_SESSIONS = 5
MAX_SESSION_LENGTH = 50
PARTITIONS = 1
"""Word2Vec depends on the order of its sentences, and that on the arrival of shuffled parts. With one part the
embedding repeats; MAX_SESSIONS bounds its work to half a minute."""


def session_vectors(events: DataFrame, width: int, seed: int) -> DataFrame:
    """item_id and session_vector [width] of unit length, for items that occur in enough sessions of two items or more.

    Skip-gram over sessions (Barkan and Koenigstein, "Item2Vec", 2016) by Spark's Word2Vec. Unlike a plain
    transformation this runs Spark jobs, as each fit does. The same events and seed give the same vectors. The frame
    is empty where no session holds two such items.
    """
    baskets = _baskets(_sampled(events)).persist(StorageLevel.DISK_ONLY)
    try:
        if baskets.isEmpty():
            return _no_vectors(events)
        return _unit_length(_word2vec(width, seed).fit(baskets.select("items")).getVectors())
    finally:
        baskets.unpersist()


def _word2vec(width: int, seed: int) -> Word2Vec:
    return Word2Vec(
        vectorSize=width,
        minCount=1,  # rare items are left out before
        numPartitions=PARTITIONS,
        maxIter=1,
        windowSize=5,
        maxSentenceLength=MAX_SESSION_LENGTH,
        seed=seed,
        inputCol="items",
    )


def _sampled(events: DataFrame) -> DataFrame:
    """user_id, session, item_id, ts of all sessions, or of a sample by hash where there are too many."""
    met = events.where(F.col("item_id").isNotNull()).select("user_id", session_key().alias("session"), "item_id", "ts")
    session_hash = F.xxhash64("user_id", "session")
    found = met.agg(F.approx_count_distinct(session_hash).alias("n")).first()
    n_sessions = found["n"] if found else 0
    if n_sessions <= MAX_SESSIONS:
        return met
    return met.where(F.pmod(session_hash, F.lit(1_000_000)) < int(1_000_000 * MAX_SESSIONS / n_sessions))


def _baskets(met: DataFrame) -> DataFrame:
    """items: the frequent items of each session in the order in which they were met; sessions of one item left out."""
    pairs = met.groupBy("user_id", "session", "item_id").agg(F.min("ts").alias("ts"))
    frequent = (
        pairs.groupBy("item_id")
        .agg(F.count("*").alias("n"))
        .where(F.col("n") >= MIN_ITEM_SESSIONS)
        .orderBy(F.desc("n"), "item_id")
        .limit(MAX_ITEMS)
    )
    ordered = F.array_sort(F.collect_list(F.struct("ts", "item_id")))
    return (
        pairs.join(F.broadcast(frequent.select("item_id")), "item_id", "left_semi")
        .groupBy("user_id", "session")
        .agg(ordered.alias("entries"))
        .where(F.size("entries") >= 2)
        .repartition(PARTITIONS)
        .sortWithinPartitions("user_id", "session")
        .select(F.col("entries.item_id").alias("items"))
    )


def _unit_length(vectors: DataFrame) -> DataFrame:
    raw = vectors.select(F.col("word").alias("item_id"), vector_to_array(F.col("vector")).alias("v"))
    norm = F.sqrt(F.aggregate("v", F.lit(0.0), lambda total, x: total + x * x))
    unit = F.transform("v", lambda x: F.when(norm > 0, x / norm).otherwise(0.0))
    return raw.select("item_id", unit.cast("array<float>").alias("session_vector"))


def _no_vectors(events: DataFrame) -> DataFrame:
    return events.select("item_id", F.array().cast("array<float>").alias("session_vector")).limit(0)

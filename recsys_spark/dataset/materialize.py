"""Training tables of the deep model: fixed-length integer arrays that Petastorm reads without decoding.

One example is one user with one item: given what the user is and the other items met, find the item. Users and items
that a seeded hash holds out are absent from the training part, so that training can stop early on tasks that look like
a new user and a new item.
"""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.kernels.draw import hash_share


class TrainingTables(NamedTuple):
    """The frames of the contracts of the same names."""

    training_examples: DataFrame
    training_users: DataFrame
    training_items: DataFrame


def training_tables(
    interactions: DataFrame,
    user_profiles: DataFrame,
    item_vectors: DataFrame,
    *,
    attribute_length: int,
    history_length: int,
    item_feature_length: int,
    max_examples: int,
    held_out_share: float,
    seed: int,
) -> TrainingTables:
    """Examples, users and items for the deep model.

    Args:
        interactions: contract interactions.
        user_profiles: contract user_profiles; users without interactions are scored too.
        item_vectors: contract item_vectors; items without interactions are scored too.
        attribute_length: encoded attributes kept per user.
        history_length: items kept in a history.
        item_feature_length: encoded attributes kept per item.
        max_examples: beyond this many pairs a hash of user and item decides which are kept, about this many in all.
        held_out_share: share of users, and of items, that the training part does not hold.
        seed: of the hold-out and the sample.
    """
    users = _padded(user_profiles, "user_idx", attribute_length, "attribute_idx", "user_id")
    pairs = _pairs(interactions, user_profiles, item_vectors, held_out_share, seed)
    kept = pairs.transform(_sampled, max_examples, seed)
    examples = (
        _with_history(pairs, history_length)
        .transform(_sampled, max_examples, seed)
        .join(users.drop("user_id"), "user_idx", how="inner")
        .select("part", "user_idx", "attribute_idx", "history_idx", "item_idx", "weight")
    )
    return TrainingTables(
        examples,
        _scored_users(users, pairs, history_length),
        _items(item_vectors, kept, item_feature_length, held_out_share, seed),
    )


def scored_users(
    interactions: DataFrame,
    user_profiles: DataFrame,
    item_vectors: DataFrame,
    *,
    attribute_length: int,
    history_length: int,
) -> DataFrame:
    """Contract training_users of the users of ``user_profiles``; the arguments are those of :func:`training_tables`."""
    users = _padded(user_profiles, "user_idx", attribute_length, "attribute_idx", "user_id")
    pairs = _pairs(interactions, user_profiles, item_vectors, 0.0, 0)
    return _scored_users(users, pairs, history_length)


def scored_items(item_vectors: DataFrame, *, item_feature_length: int) -> DataFrame:
    """Contract training_items of items that nothing is trained with; what only training asks for is neutral."""
    vectors = item_vectors.withColumn("dense", F.concat("text_vector", "session_vector"))
    return _padded(vectors, "item_idx", item_feature_length, "feature_idx", "dense").select(
        (F.col("item_idx") + 1).cast("int").alias("item_idx"),
        "feature_idx",
        "dense",
        F.lit(0.0).cast("float").alias("log_q"),
        F.lit(False).alias("is_held_out"),
    )


def _pairs(
    interactions: DataFrame, user_profiles: DataFrame, item_vectors: DataFrame, held_out_share: float, seed: int
) -> DataFrame:
    """One row per pair with dense positions, its part and its weight."""
    items = item_vectors.select("item_id", (F.col("item_idx") + 1).cast("int").alias("item_idx"))
    held_out = _held_out("user", "user_id", held_out_share, seed) | _held_out("item", "item_id", held_out_share, seed)
    return (
        interactions.select("user_id", "item_id", "strength", "first_ts", "last_ts")
        .join(user_profiles.select("user_id", "user_idx"), "user_id", how="inner")
        .join(items, "item_id", how="inner")
        .select(
            "user_idx",
            "item_idx",
            "first_ts",
            "last_ts",
            F.when(held_out, "validation").otherwise("train").alias("part"),
            _weight(F.col("strength")).alias("weight"),
        )
    )


def _weight(strength: Column) -> Column:
    """log2(1 + strength) within [0.1, 3]: repeated purchases count more, but none drowns the rest."""
    return F.least(F.greatest(F.log2(1 + strength), F.lit(0.1)), F.lit(3.0)).cast("float")


def _held_out(side: str, id_column: str, share: float, seed: int) -> Column:
    # A salt of its own: the backtest's split hashes ids too, and those it hid are not here to be held out again.
    return hash_share(F.lit(seed), F.lit(f"held out {side}"), F.col(id_column)) < share


def _sampled(pairs: DataFrame, max_examples: int, seed: int) -> DataFrame:
    """About ``max_examples`` pairs, chosen by a hash; all of them if there are no more."""
    total = pairs.groupBy().agg(F.count("*").alias("n_pairs"))
    share = hash_share(F.lit(seed), F.lit("sample"), F.col("user_idx"), F.col("item_idx"))
    return pairs.crossJoin(F.broadcast(total)).where(share * F.col("n_pairs") < max_examples).drop("n_pairs")


def _with_history(pairs: DataFrame, length: int) -> DataFrame:
    """Adds the user's other items: those met before, newest first; where there are few, those met after, oldest first.

    A model that averages the history has no use for its direction, and most users of a shop have so few items that
    looking back alone would leave the histories empty.
    """
    ordered = Window.partitionBy("user_idx").orderBy("first_ts", "item_idx")
    before = F.reverse(F.collect_list("item_idx").over(ordered.rowsBetween(-length, -1)))
    after = F.collect_list("item_idx").over(ordered.rowsBetween(1, length))
    return pairs.withColumn("history_idx", _fixed(F.concat(before, after), length))


def _scored_users(users: DataFrame, pairs: DataFrame, length: int) -> DataFrame:
    """Every user with the last distinct items met, newest first; an empty history is all padding."""
    newest = Window.partitionBy("user_idx").orderBy(F.desc("last_ts"), "item_idx")
    met = (
        pairs.select("user_idx", "item_idx", F.row_number().over(newest).alias("place"))
        .where(F.col("place") <= length)
        .groupBy("user_idx")
        .agg(F.sort_array(F.collect_list(F.struct("place", "item_idx"))).alias("met"))
        .select("user_idx", F.transform("met", lambda one: one["item_idx"]).alias("met"))
    )
    known = F.coalesce(F.col("met"), F.array().cast("array<int>"))
    return users.join(met, "user_idx", how="left").select(
        "user_idx", "attribute_idx", _fixed(known, length).alias("history_idx")
    )


def _items(item_vectors: DataFrame, examples: DataFrame, length: int, held_out_share: float, seed: int) -> DataFrame:
    """Every item with its content and its smoothed share of the training part.

    log_q = log((n + 1) / (N + items)), so that an item without examples has a finite correction.
    """
    counts = examples.where("part = 'train'").groupBy("item_idx").agg(F.count("*").alias("n_examples"))
    total = counts.groupBy().agg(F.coalesce(F.sum("n_examples"), F.lit(0)).alias("n_all"))
    n_items = item_vectors.groupBy().agg(F.count("*").alias("n_items"))
    vectors = item_vectors.withColumn("dense", F.concat("text_vector", "session_vector")).withColumn(
        "is_held_out", _held_out("item", "item_id", held_out_share, seed) & (F.col("n_events") > 0)
    )
    share = (F.coalesce("n_examples", F.lit(0)) + 1) / (F.col("n_all") + F.col("n_items"))
    return (
        _padded(vectors, "item_idx", length, "feature_idx", "dense", "is_held_out")
        .withColumn("item_idx", (F.col("item_idx") + 1).cast("int"))
        .join(counts, "item_idx", how="left")
        .crossJoin(F.broadcast(total))
        .crossJoin(F.broadcast(n_items))
        .select("item_idx", "feature_idx", "dense", F.log(share).cast("float").alias("log_q"), "is_held_out")
    )


def _padded(frame: DataFrame, index: str, length: int, name: str, *others: str) -> DataFrame:
    """``feature_idx`` + 1 as ``name``, padded with 0; where there are too many, the highest values (rarest) stay."""
    falling = F.zip_with("feature_value", "feature_idx", lambda v, i: F.struct((-v).alias("v"), i.alias("i")))
    ranked = F.array_sort(falling)
    shifted = F.transform(ranked, lambda pair: (pair["i"] + 1).cast("int"))
    return frame.select(index, _fixed(shifted, length).alias(name), *others)


def _fixed(array: Column, length: int) -> Column:
    """The first ``length`` entries, padded with 0 behind."""
    return F.slice(F.concat(array, F.array_repeat(F.lit(0), length)), 1, length)

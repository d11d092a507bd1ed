"""Pseudonyms in the place of user ids, before a row is judged or kept, and no rows of users who were erased.

The key travels to the tasks inside the function that uses it. As a literal it would stand in Spark's plans, and with
them in the event log and the UI; as a broadcast it would be a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.contracts.raw import UNPARSED
from recsys_spark.events.typed import REPLACEMENT, as_id
from recsys_spark.kernels.pseudonym import Key

WITHHELD = "withheld: the line did not parse and may hold a user's id"


def with_pseudonyms(raw: DataFrame, keys: Sequence[Key], erased: DataFrame | None) -> DataFrame:
    """Raw events or users with pseudonyms as ``user_id``, without the rows of erased users.

    An id whose bytes are no UTF-8 becomes REPLACEMENT alone: cleaning refuses it as it does without a key, and its text
    stays hidden.

    Args:
        raw: raw rows; the text of those that did not parse is replaced, since nobody can find an id in it.
        keys: the one that pseudonyms are made with, then retired ones.
        erased: digest: of users who were erased under any of the keys; None if nobody was.
    """
    named = raw.withColumn("user_id", as_id(raw, "user_id"))
    if erased is not None:
        for key in keys:
            named = named.withColumn("digest", _mapped(key.erased)("user_id")).join(erased, "digest", "left_anti")
    pseudonym = _mapped(keys[0].pseudonym)("user_id")
    return (
        named.withColumn("user_id", F.when(F.col("user_id").contains(REPLACEMENT), REPLACEMENT).otherwise(pseudonym))
        .withColumn(UNPARSED, F.when(F.col(UNPARSED).isNotNull(), F.lit(WITHHELD)))
        .select(*raw.columns)
    )


def forms_of(users: DataFrame, keys: Sequence[Key]) -> DataFrame:
    """user_id: everything that may stand in a lake for these users, the original id included."""
    ids = users.unionByName(users.select(as_id(users, "user_id"))).distinct()
    forms = [F.col("user_id"), *[_mapped(key.pseudonym)("user_id") for key in keys]]
    return ids.select(F.explode(F.array(*forms)).alias("user_id"))


def digests_of(users: DataFrame, keys: Sequence[Key]) -> DataFrame:
    """digest: by which ingest knows these users again; no rows without a key."""
    if not keys:
        return users.select(F.col("user_id").alias("digest")).limit(0)
    ids = users.select(as_id(users, "user_id"))
    return ids.select(_mapped(keys[0].erased)("user_id").alias("digest"))


def _mapped(digest: Callable[[str], str]) -> Callable[[str], Column]:
    """A column function that applies ``digest`` to ids; each id of a batch is digested once, null stays null."""

    @F.pandas_udf("string")  # type: ignore[call-overload]
    def mapped(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for ids in batches:
            yield ids.map({one: digest(one) for one in ids.dropna().unique()})

    return mapped

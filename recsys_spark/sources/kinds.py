"""The words by which a source tells kinds of events apart, and those of them that are known."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.group import EVENT_TYPE
from recsys_spark.kernels.event_columns import as_word
from recsys_spark.sources.raw import column_of
from recsys_spark.sources.synonyms import EVENT_WORDS, kind_of

WORDS = 20
"""So many words, the most frequent ones, are looked at."""


@dataclass(frozen=True)
class Kinds:
    """What a column says of kinds of events."""

    known: dict[str, str]
    """Word to the kind that it is known for, where that has another name."""
    others: list[str]
    """Words that nobody knows here, and that cleaning takes as they are."""
    refused: list[str]
    """Words that cleaning refuses, for what they are written in."""


def kinds_of(frame: DataFrame, column: str) -> Kinds:
    """The kinds in all rows of a column; what is rare (purchases) may be missing in the first ones. One aggregation."""
    word = as_word(column_of(column).cast("string")).alias("word")
    counted = frame.select(word).where("word <> ''").groupBy("word").count()
    rows = counted.orderBy(F.desc("count"), "word").limit(WORDS).collect()
    words = [row["word"] for row in rows]
    known = {w: kind for w in words if (kind := kind_of(w)) is not None and w != kind}
    rest = [w for w in words if w not in known and w not in EVENT_WORDS]
    fit = [w for w in rest if re.match(EVENT_TYPE.replace(r"\z", r"\Z"), w)]
    return Kinds(known, fit, [w for w in rest if w not in fit])

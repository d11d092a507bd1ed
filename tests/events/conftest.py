"""Raw frames for the tests of cleaning."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.contracts import table
from recsys_spark.contracts.raw import SOURCE_FILE, UNPARSED, raw_columns
from tests.frames import local_frame

NEUTRAL = {
    "events": {"user_id": "u1", "item_id": "i1", "event_type": "view", "ts": "2024-01-02T03:04:05"},
    "users": {"user_id": "u1"},
    "items": {"item_id": "i1"},
}


@pytest.fixture
def raw(spark: SparkSession):
    """raw("events", {...}, {...}): raw rows with text in every scalar column; what a row leaves out is neutral."""

    def build(name: str, *given: dict) -> DataFrame:
        columns = raw_columns(name)
        types = {f.name: f.type if "<" in f.type else "string" for f in table(name).fields}
        types |= {SOURCE_FILE: "string", UNPARSED: "string", "measures": "map<string,string>"}
        schema = ", ".join(f"`{c}` {types[c]}" for c in columns)
        rows = [tuple((NEUTRAL[name] | g).get(c) for c in columns) for g in given]
        return local_frame(spark, rows, schema)

    return build

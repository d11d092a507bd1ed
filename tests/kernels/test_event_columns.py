import pytest
from pyspark.sql import functions as F

from recsys_spark.kernels.event_columns import decay, session_key
from tests.conftest import at


def test_decay_halves_with_each_half_life_and_never_exceeds_one(rows):
    days = ("2024-01-11", "2024-01-01", "2023-12-22", "2024-03-01")
    events = rows("events", *[{"event_id": d, "ts": at(d)} for d in days])
    decayed = events.select("event_id", decay("ts", at("2024-01-11"), 10.0).alias("d"))
    found = {r.event_id: r.d for r in decayed.collect()}
    assert [found[d] for d in days] == pytest.approx([1.0, 0.5, 0.25, 1.0])


def test_session_is_the_id_else_the_day(rows):
    events = rows(
        "events", {"ts": at("2024-01-01T23:59:59"), "session_id": None}, {"ts": at("2024-01-01"), "session_id": "s"}
    )
    assert [r[0] for r in events.select(session_key()).orderBy(F.col("session_id")).collect()] == ["2024-01-01", "s"]

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pyspark.sql import functions as F

from recsys_spark.errors import SourceError
from recsys_spark.events.clock import latest_plausible
from tests.frames import local_frame


def test_it_is_one_second_after_the_last_event(raw):
    events = raw("events", {"ts": "2024-01-02T10:00:00"}, {"ts": "2024-03-02T10:00:00"}, {"ts": "later"})
    assert latest_plausible(events) == datetime(2024, 3, 2, 10, 0, 1, tzinfo=UTC)


def test_one_broken_date_among_few_does_not_move_the_clock(raw):
    events = raw("events", {"ts": "2024-01-02"}, {"ts": "2024-01-03"}, {"ts": "2999-01-01"})
    assert latest_plausible(events) == datetime(2024, 1, 3, 0, 0, 1, tzinfo=UTC)


def test_broken_dates_among_many_do_not_move_the_clock(spark):
    hours = F.make_interval(hours=F.col("id"))
    many = spark.range(3000).select((F.lit("2024-01-01").cast("timestamp") + hours).alias("ts"))
    broken = spark.sql("SELECT timestamp'2031-01-01' AS ts UNION ALL SELECT timestamp'2999-01-01'")
    assert latest_plausible(many.union(broken)) == datetime(2024, 5, 4, 23, 0, 1, tzinfo=UTC)


def test_open_ends_do_not_move_the_clock(raw):
    events = raw("events", {"ts": "2024-01-02"}, *({"ts": "9999-12-31T23:59:59"} for _ in range(3)))
    assert latest_plausible(events) == datetime(2024, 1, 2, 0, 0, 1, tzinfo=UTC)


def test_no_readable_time_is_an_error(raw):
    with pytest.raises(SourceError, match="no row has a readable ts"):
        latest_plausible(raw("events", {"ts": "yesterday"}, {"ts": None}))


def test_milliseconds_are_told_apart_from_seconds(spark):
    times = local_frame(spark, [(1704103200000 + n,) for n in range(3)], "ts bigint")
    with pytest.raises(SourceError, match=r"beyond the year 2261\. Numbers are seconds: divide milliseconds"):
        latest_plausible(times)


def test_milliseconds_as_text_are_told_in_the_same_words(raw):
    with pytest.raises(SourceError, match=r"beyond the year 2261\. Numbers are seconds: divide milliseconds"):
        latest_plausible(raw("events", {"ts": "1704103200000"}, {"ts": "1704103200001"}))

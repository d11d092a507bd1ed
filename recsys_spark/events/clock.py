"""When it is, as far as the events tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import SourceError
from recsys_spark.events.typed import as_timestamp

BULK_SHARE = 0.999
GAP_AFTER_BULK = timedelta(days=30)
END = datetime(2262, 1, 1, tzinfo=UTC).timestamp()
"""No event is believed from here on, where times in nanoseconds end: 9999-12-31 means that something is open."""
FEW_EVENTS = 1_000
GAP_AFTER_FEW = timedelta(days=365)


def latest_plausible(raw_events: DataFrame) -> datetime:
    """One second after the latest event that can be believed, as the default as-of time.

    One broken date in the year 2999 must not move the clock. An event is believed if it is at most 30 days later than
    99.9 % of the events; where there are fewer than 1,000 events, at most a year later than the latest but one. None is
    believed that lies beyond the year 2261. Runs two small aggregations.

    Raises:
        SourceError: no event has a readable time, or all times are beyond the year 2261.
    """
    seconds = as_timestamp(raw_events, "ts").cast("double")
    readable = raw_events.select(seconds.alias("readable")).where("readable IS NOT NULL")
    times = readable.select("readable", F.when(F.col("readable") < END, F.col("readable")).alias("seconds"))
    bulk = times.agg(
        F.count("seconds").alias("n"),
        F.percentile_approx("seconds", BULK_SHARE, 10_000).alias("quantile"),
        F.max("seconds").alias("latest"),
        F.min("readable").alias("earliest"),
    ).first()
    if bulk is None or bulk["earliest"] is None:
        raise SourceError(
            "table events: no row has a readable ts; expected timestamps, seconds since 1970 or ISO 8601 text. "
            "Map the column under source.events.columns and set source.events.timestamp_format."
        )
    if not bulk["n"]:
        raise SourceError(
            f"table events: ts comes to {int(bulk['earliest'])} seconds after 1970 and later, beyond the year 2261. "
            "Numbers are seconds: divide milliseconds by 1000, or bring timestamps or ISO 8601 text."
        )
    if bulk["n"] < FEW_EVENTS:
        two = [row["seconds"] for row in times.orderBy(F.desc_nulls_last("seconds")).take(min(bulk["n"], 2))]
        limit = two[-1] + GAP_AFTER_FEW.total_seconds()
    else:
        limit = bulk["quantile"] + GAP_AFTER_BULK.total_seconds()
    latest = bulk["latest"]
    if latest > limit:
        latest = times.where(F.col("seconds") <= limit).agg(F.max("seconds")).collect()[0][0]
    return datetime.fromtimestamp(int(latest) + 1, tz=UTC)

"""When it is, as far as the events tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import SourceError
from recsys_spark.events.typed import as_timestamp

BULK_SHARE = 0.999
GAP_AFTER_BULK = timedelta(days=30)
FEW_EVENTS = 1_000
GAP_AFTER_FEW = timedelta(days=365)


def latest_plausible(raw_events: DataFrame) -> datetime:
    """One second after the latest event that can be believed, as the default as-of time.

    One broken date in the year 2999 must not move the clock. An event is believed if it is at most 30 days later than
    99.9 % of the events; where there are fewer than 1,000 events, at most a year later than the latest but one. Runs
    two small aggregations.

    Raises:
        SourceError: no event has a readable time, or the times are beyond the year 9999.
    """
    seconds = as_timestamp(raw_events, "ts").cast("double")
    times = raw_events.select(seconds.alias("seconds")).where("seconds IS NOT NULL")
    bulk = times.agg(
        F.count("*").alias("n"),
        F.percentile_approx("seconds", BULK_SHARE, 10_000).alias("quantile"),
        F.max("seconds").alias("latest"),
    ).first()
    if bulk is None or not bulk["n"]:
        raise SourceError(
            "table events: no row has a readable ts; expected timestamps or ISO 8601 text. "
            "Map the column under source.events.columns and set source.events.timestamp_format."
        )
    if bulk["n"] < FEW_EVENTS:
        two = [row["seconds"] for row in times.orderBy(F.desc("seconds")).take(2)]
        limit = two[-1] + GAP_AFTER_FEW.total_seconds()
    else:
        limit = bulk["quantile"] + GAP_AFTER_BULK.total_seconds()
    latest = bulk["latest"]
    if latest > limit:
        latest = times.where(F.col("seconds") <= limit).agg(F.max("seconds")).collect()[0][0]
    return _instant(int(latest) + 1)


def _instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        raise SourceError(
            f"table events: ts comes to {seconds} seconds after 1970, beyond the year 9999. Numbers are seconds: "
            "divide milliseconds by 1000, or bring timestamps or ISO 8601 text."
        ) from None

"""Users who did more on one day than people do."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.describing import CleaningSettings
from recsys_spark.events.duplicates import event_hash
from recsys_spark.events.rules import with_reason

_DAY = "_day"
_BUSY = "_busy"
_KEY = ["user_id", _DAY]


def with_bots(events: DataFrame, settings: CleaningSettings) -> DataFrame:
    """Add the reason ``bot`` to every event of a user and day (UTC) with too many events; a repeated one counts once.

    Days with so many rows are at most one in ``max_events_per_user_day`` events, few enough to broadcast; counting them
    first spares a shuffle of all events and does not pile a bot's events onto one task. Theirs alone are told apart.
    """
    if settings.bot_action == "keep":
        return events
    dated = events.withColumn(_DAY, F.to_date("ts"))
    rows = _busy(dated.where(F.col("user_id").isNotNull()), F.count("*"), settings.max_events_per_user_day)
    several = dated.join(F.broadcast(rows), _KEY, how="left_semi")
    busy = _busy(several, F.count_distinct(event_hash()), settings.max_events_per_user_day)
    marked = dated.join(F.broadcast(busy.withColumn(_BUSY, F.lit(True))), _KEY, how="left")
    return with_reason(marked, "bot", F.col(_BUSY)).drop(_DAY, _BUSY)


def _busy(dated: DataFrame, count: Column, most: int) -> DataFrame:
    """user_id, day: those with a higher count than ``most``."""
    return dated.groupBy(*_KEY).agg(count.alias("count")).where(F.col("count") > most).select(*_KEY)

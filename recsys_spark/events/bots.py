"""Users who did more on one day than people do."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.settings import CleaningSettings
from recsys_spark.events.rules import with_reason

_DAY = "_day"
_BUSY = "_busy"


def with_bots(events: DataFrame, settings: CleaningSettings) -> DataFrame:
    """Add the reason ``bot`` to every event of a user and day (UTC) with too many events.

    The busy days are at most one in ``max_events_per_user_day`` events, few enough to broadcast; counting them first
    spares a shuffle of all events and does not pile a bot's events onto one task.
    """
    if settings.bot_action == "keep":
        return events
    busy = (
        events.where(F.col("user_id").isNotNull())
        .groupBy("user_id", F.to_date("ts").alias(_DAY))
        .agg(F.count("*").alias(_BUSY))
        .where(F.col(_BUSY) > settings.max_events_per_user_day)
    )
    marked = events.withColumn(_DAY, F.to_date("ts")).join(F.broadcast(busy), ["user_id", _DAY], how="left")
    return with_reason(marked, "bot", F.col(_BUSY).isNotNull()).drop(_DAY, _BUSY)

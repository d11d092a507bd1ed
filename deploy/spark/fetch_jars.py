"""Fetch the Delta jars as every session does: one short local session lets Spark resolve its packages."""

from __future__ import annotations

from delta.tables import DeltaTable

from recsys_spark.config.settings import SparkSettings
from recsys_spark.session import open_session


def main() -> None:
    """Start a session and ask Delta a question, so that a jar that is missing is found here and not in a job."""
    session = open_session(SparkSettings(master="local[1]", driver_memory="1g"), "recsys jars")
    try:
        DeltaTable.isDeltaTable(session, "a-folder-that-need-not-exist")
    finally:
        session.stop()


if __name__ == "__main__":
    main()

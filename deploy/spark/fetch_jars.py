"""Fetch the jars as every session does: one short local session lets Spark resolve its packages."""

from __future__ import annotations

import argparse

from delta.tables import DeltaTable

from recsys_spark.config.running import SparkSettings
from recsys_spark.session import MARIADB_PACKAGE, POSTGRESQL_PACKAGE, open_session


def main() -> None:
    """Start a session and ask Delta a question, so that a jar that is missing is found here and not in a job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drivers", action="store_true", help="those of the jdbc source's databases, too")
    packages = (POSTGRESQL_PACKAGE, MARIADB_PACKAGE) if parser.parse_args().drivers else ()
    session = open_session(SparkSettings(master="local[1]", driver_memory="1g"), "recsys jars", packages)
    try:
        DeltaTable.isDeltaTable(session, "a-folder-that-need-not-exist")
    finally:
        session.stop()


if __name__ == "__main__":
    main()

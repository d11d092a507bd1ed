"""A reader: ``python -m tests.faults.read_releases LAKE READY STOP`` reads the current release until STOP is there.

It makes the file READY after its first reading, and prints which releases it saw and which readings were a mixture.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from recsys_spark.config.running import SparkSettings
from recsys_spark.lake import Lake, current_release
from recsys_spark.session import open_session

ROWS = 3
"""Users, and as many rows of recommendations, that each of the test's releases has."""


def main() -> int:
    root, ready, stop = sys.argv[1:]
    settings = SparkSettings(master="local[1]", driver_memory="512m", shuffle_partitions=1)
    lake = Lake(open_session(settings, "reader"), root)
    seen: list[str] = []
    mixtures: list[list[str]] = []
    last = False
    while not last:
        last = Path(stop).exists()
        release = current_release(lake)
        users = [row["user_id"].rpartition("-")[0] for row in release.read(lake, "users").collect()]
        lists = [row["source_version"] for row in release.read(lake, "recommendations").collect()]
        if users + lists != [release.run_id] * 2 * ROWS:
            mixtures.append([release.run_id, *users, *lists])
        if release.run_id not in seen[-1:]:
            seen.append(release.run_id)
        Path(ready).touch()
    print(json.dumps({"releases": seen, "mixtures": mixtures}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

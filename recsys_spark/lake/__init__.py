"""The only code that reads or writes Delta tables."""

from recsys_spark.lake.lake import Commit, Lake
from recsys_spark.lake.releases import Release, current_release, publish, refuse, roll_back

__all__ = ["Commit", "Lake", "Release", "current_release", "publish", "refuse", "roll_back"]

"""The only code that reads or writes Delta tables."""

from recsys_spark.lake.claims import claim, require_claim
from recsys_spark.lake.lake import Commit, Lake
from recsys_spark.lake.releases import Release, current_release, publish, refuse, release_before, roll_back

__all__ = [
    "Commit",
    "Lake",
    "Release",
    "claim",
    "current_release",
    "publish",
    "refuse",
    "release_before",
    "require_claim",
    "roll_back",
]

"""The only code that reads or writes Delta tables."""

from recsys_spark.lake.claims import Claim, claim, require_claim
from recsys_spark.lake.commit import NO_KEY, Commit, title_of
from recsys_spark.lake.erase import Request, erase, erased_digests, erasure_runs, require_not_ended
from recsys_spark.lake.lake import TRIALS, Lake
from recsys_spark.lake.releases import Release, current_release, publish, refuse, release_before, release_of, roll_back
from recsys_spark.lake.vacuum import vacuum

__all__ = [
    "NO_KEY",
    "TRIALS",
    "Claim",
    "Commit",
    "Lake",
    "Release",
    "Request",
    "claim",
    "current_release",
    "erase",
    "erased_digests",
    "erasure_runs",
    "publish",
    "refuse",
    "release_before",
    "release_of",
    "require_claim",
    "require_not_ended",
    "roll_back",
    "title_of",
    "vacuum",
]

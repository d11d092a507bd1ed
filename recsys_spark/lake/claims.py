"""Which driver may go on with a run: the one that claimed it last.

A driver that takes a run up says so with a row in the table ``claims``; before each write it looks whether a later
claim is there, and if so stops. No clock and no lock is asked, so that a killed driver blocks nobody. A driver that
looked just before the later claim may still finish one write: the transaction id of a commit lets each happen once, and
the later driver reads what was committed.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.errors import ConflictError
from recsys_spark.lake.commit import Commit
from recsys_spark.lake.lake import Lake


@dataclass(frozen=True)
class Claim:
    """A driver's claim to a run: its token, and the version of the table ``claims`` that says so."""

    driver: str
    version: int


def claim(lake: Lake, commit: Commit) -> Claim:
    """Take the run over from every driver before, in one commit.

    Raises:
        ConflictError: another driver claimed it at the same time, and its claim counts.
    """
    driver = str(uuid.uuid4())
    row = (commit.run_id, _last(lake, commit.run_id)[0] + 1, driver)
    frame = lake.spark.createDataFrame([row], spark_schema(table("claims")))
    # A transaction id of its own: every claim counts, also one of many by the same run.
    version = lake.append("claims", frame, replace(commit, run_id=f"{commit.run_id}/claim/{driver}"))
    _require_holder(lake, commit.run_id, driver)
    return Claim(driver, version)


def require_claim(lake: Lake, run_id: str, mine: Claim) -> None:
    """See that no other driver took the run over; reads no rows while nobody claims anything.

    Raises:
        ConflictError: one did.
    """
    # The claim counted when it was made, and no other one came after it.
    if not lake.with_fold("full").is_latest("claims", mine.version):
        _require_holder(lake, run_id, mine.driver)


def _require_holder(lake: Lake, run_id: str, driver: str) -> None:
    attempt, holder = _last(lake, run_id)
    if holder != driver:
        raise ConflictError(
            f"run {run_id} was taken over by another driver (attempt {attempt}), so this one stops; what it committed "
            "stays and is used. Follow the other driver, or wait until it has ended and run this again"
        )


def _last(lake: Lake, run_id: str) -> tuple[int, str]:
    """The claim that counts: the highest attempt; of two that were made at once, the larger token."""
    full = lake.with_fold("full")
    if not full.exists("claims"):
        return 0, ""
    claims = full.read("claims").where(F.col("run_id") == run_id).select("attempt", "driver").collect()
    return max((tuple(row) for row in claims), default=(0, ""))

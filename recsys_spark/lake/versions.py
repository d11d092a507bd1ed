"""Versions of a table that stand on an earlier one, and whether anybody else changed rows in between.

Delta lets two drivers go back, delete and add rows in turns, and says nothing. So each write looks at what was
committed behind the version that it stands on: only what leaves all rows as they are may come between its own commits.
"""

from __future__ import annotations

from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.lake.commit import OvertakenError
from recsys_spark.lake.history import LIMIT

_KEEPS_FILES = frozenset({"SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "VACUUM START", "VACUUM END"})
"""Operations, as Delta's history names them, after which a table has the files of before."""
FEW = 32
"""Commits that are looked through first: each is a file to read, and a release is seldom further behind."""
_KEEPS_ROWS = _KEEPS_FILES | {"OPTIMIZE"}


@dataclass(frozen=True)
class _Operation:
    version: int
    name: str
    restored: str | None
    """The version that a RESTORE went back to."""


def standing_at(spark: SparkSession, path: str, base: int) -> int:
    """The newest version of a table that was made what it was at an earlier one, and is so still.

    Raises:
        OvertakenError: another driver has changed rows since.
    """
    found = _since(spark, path, base)
    for done in found:
        if done.restored == str(base):  # whoever went back there
            break
        if done.name not in _KEEPS_ROWS:
            raise OvertakenError(f"{done.name} at version {done.version}")
    return found[0].version if found else base


def without_users(spark: SparkSession, path: str, users: DataFrame, begun: int) -> int:
    """Delete the rows of users (user_id) from a table at its version ``begun``, and return the version it is now at.

    Raises:
        OvertakenError: another driver has changed rows meanwhile.
    """
    theirs = users.select("user_id").distinct().alias("theirs")
    rows = DeltaTable.forPath(spark, path).alias("rows")
    told = rows.merge(theirs, "rows.user_id = theirs.user_id").whenMatchedDelete().execute()
    found = _since(spark, path, begun)
    # A merge that deletes nothing is no commit.
    mine = ["MERGE"] if told.collect()[0]["num_deleted_rows"] else []
    if [done.name for done in found if done.name not in _KEEPS_ROWS] != mine:
        raise OvertakenError(f"a merge behind version {begun}")
    return found[0].version if found else begun


def rows_changed(spark: SparkSession, path: str, version: int, later: int) -> bool:
    """Whether a commit between two versions changed rows."""
    if later == version + 1:
        return False
    return any(done.name not in _KEEPS_ROWS for done in _since(spark, path, version, later))


def has_files_of(spark: SparkSession, path: str, version: int) -> bool:
    """Whether a table's newest version has the very files that an earlier one has."""
    return all(done.name in _KEEPS_FILES for done in _since(spark, path, version))


def _since(spark: SparkSession, path: str, version: int, until: int | None = None) -> list[_Operation]:
    """What was committed behind a version, and before a later one if any is given; newest first."""
    found: list[_Operation] = []
    for looked_through in (FEW, LIMIT):
        history = DeltaTable.forPath(spark, path).history(looked_through)
        told = history.select("version", "operation", F.col("operationParameters")["version"].alias("restored"))
        # The driver holds these rows already; sorted in Spark they would take jobs of their own.
        found = sorted((_Operation(*row) for row in told.collect()), key=lambda done: done.version, reverse=True)
        if len(found) < looked_through or found[-1].version <= version:
            break
    return [done for done in found if version < done.version and (until is None or done.version < until)]

"""Who wrote which version of a table. Delta's history is a Spark job, so it is asked only for what is not known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from recsys_spark.storage import first_line, located

LIMIT = 1000
"""Commits of a table that are looked through."""
_LAST_COMMIT = "spark.databricks.delta.lastCommitVersionInSession"


@dataclass(frozen=True)
class _Known:
    version: int
    """The latest commit when the history was read."""
    written: int | None
    """When that commit's file was written, in milliseconds: a table that was removed and made again has others."""
    commits: list[tuple[int, Mapping[str, str]]]


class History:
    """The commits of tables, by the tables' paths."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._known: dict[str, _Known] = {}

    def commits(self, path: str) -> list[tuple[int, Mapping[str, str]]]:
        """Version and metadata of the latest commits of a table that exists, newest first."""
        known = self._known.get(path)
        if known is None or not self._still_holds(path, known):
            known = self._known[path] = self._read(path)
        return known.commits

    def is_latest(self, path: str, version: int) -> bool:
        """Whether no commit came after this version; asks for one file, and starts no Spark job."""
        files, following = located(self._spark, _file(path, version + 1))
        return not files.exists(following)

    def last_of_session(self, path: str) -> tuple[int, Mapping[str, str]] | None:
        """Version and metadata of what this session committed last, if that was to this table.

        Delta keeps the version alone, of whatever table; threads may share a session, so the log must agree.
        """
        said = self._spark.conf.get(_LAST_COMMIT, None)
        if not said:
            return None
        told = json.loads(first_line(self._spark, _file(path, int(said))) or "{}").get("commitInfo", {})
        written = _written_by(told.get("userMetadata"))
        return (int(said), written) if written else None

    def _still_holds(self, path: str, known: _Known) -> bool:
        return self.is_latest(path, known.version) and self._written(path, known.version) == known.written

    def _written(self, path: str, version: int) -> int | None:
        files, commit = located(self._spark, _file(path, version))
        return files.getFileStatus(commit).getModificationTime() if files.exists(commit) else None

    def _read(self, path: str) -> _Known:
        rows = DeltaTable.forPath(self._spark, path).history(LIMIT).select("version", "userMetadata").collect()
        # The driver holds these rows already; sorted in Spark they would take jobs of their own.
        found = [(int(row["version"]), _written_by(row["userMetadata"])) for row in rows]
        told = [(version, written) for version, written in found if written]
        latest = max(int(row["version"]) for row in rows)
        return _Known(latest, self._written(path, latest), sorted(told, key=itemgetter(0), reverse=True))


def _written_by(metadata: str | None) -> Mapping[str, str] | None:
    """What a commit's metadata says of the run that wrote it; None where another tool wrote, with a note or without."""
    try:
        told = json.loads(metadata or "null")
    except ValueError:
        return None
    return told if isinstance(told, dict) and {"run_id", "fold"} <= told.keys() else None


def _file(path: str, version: int) -> str:
    return f"{path}/_delta_log/{version:020d}.json"

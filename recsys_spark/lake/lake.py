"""Tables of one lake: every read and write is checked against the contract, every write is one commit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

from recsys_spark.contracts import Contract, table
from recsys_spark.contracts.spark import conform
from recsys_spark.errors import ConflictError, NotFoundError
from recsys_spark.lake import properties as props
from recsys_spark.lake import versions
from recsys_spark.lake.commit import Commit, faults_told, refuse_nulls, title_of
from recsys_spark.lake.history import History
from recsys_spark.storage import located

TRIALS = "trials"
"""Folder of the lakes of trials, below the lake that asked for them."""


class Lake:
    """Delta tables below one root; ``fold`` ``backtest`` has its own tables of the same names below ``backtest/``.

    Ingested tables (events, users, items, …) of the full fold lie directly below the root. New tables are told to
    remember replaced files for ``retention_hours``.
    """

    def __init__(
        self,
        spark: SparkSession,
        root: str,
        fold: str = "full",
        history: History | None = None,
        retention_hours: float = props.WEEK_HOURS,
    ) -> None:
        if fold not in ("full", "backtest"):
            raise ValueError(f"fold {fold!r}: expected full or backtest")
        self.spark = spark
        self.root = root.rstrip("/")
        self.fold = fold
        self.retention_hours = retention_hours
        self._history = history or History(spark)

    def with_fold(self, fold: str) -> Lake:
        """The same lake seen from another fold."""
        return Lake(self.spark, self.root, fold, self._history, self.retention_hours)

    def trial(self, name: str) -> Lake:
        """A lake of its own below this one, for trials that nobody else reads."""
        return Lake(self.spark, f"{self.root}/{TRIALS}/{name}")

    def drop_trials(self) -> None:
        """Remove the lakes of all trials, if there are any."""
        files, folder = located(self.spark, f"{self.root}/{TRIALS}")
        files.delete(folder, True)

    def path(self, name: str) -> str:
        """Folder of a table in this fold."""
        table(name)
        return f"{self.root}/{title_of(self.fold, name)}"

    def exists(self, name: str) -> bool:
        """Whether the table has a commit."""
        # DeltaTable.isDeltaTable would trust what this session remembers of a log whose first commit was on its way.
        try:
            self.spark.read.format("delta").load(self.path(name))
        except AnalysisException:
            return False
        return True

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """The table, at a version or the latest.

        Raises:
            NotFoundError: there is no such table or version.
            ContractError: what lies there does not match the contract.
        """
        contract = table(name)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        try:
            return conform(contract, reader.load(self.path(name)))
        except PySparkException as error:
            found = f"cannot be read at version {version}: {_first_line(error)}"
            if not self.exists(name):
                found = f"is not in the lake at {self.path(name)}; run the step that makes it: {contract.made_by}"
            raise NotFoundError(f"table {name} {found}") from error

    def is_latest(self, name: str, version: int) -> bool:
        """Whether no commit came after this version; asks for one file, and starts no Spark job."""
        return self._history.is_latest(self.path(name), version)

    def overwrite(self, name: str, frame: DataFrame, commit: Commit) -> int:
        """Replace the table's rows in one commit and return its version; a repeat of the same commit is skipped.

        Raises:
            ContractError: columns or types differ, or a column that may hold no null holds one.
            ConflictError: another driver committed to the table meanwhile.
        """
        return self._write(name, frame, commit, "overwrite")

    def append(self, name: str, frame: DataFrame, commit: Commit) -> int:
        """Add rows in one commit and return the version; a repeat of the same commit is skipped."""
        return self._write(name, frame, commit, "append")

    def extend(self, name: str, frame: DataFrame, commit: Commit, base: int) -> int:
        """Add rows to those of a version in one commit and return the new version; a repeat is skipped.

        What was committed to the table after ``base`` is no part of the new version. The change data feed tells the
        rows that were added; see :meth:`added`.

        Raises:
            ConflictError: another driver committed to the table meanwhile.
        """
        done = self.committed(name, commit)
        if done is not None:
            return done
        with faults_told(table(name), commit):
            follows = self._go_back(name, base, props.CHANGE_FEED)
        return self.append(name, frame, replace(commit, follows=follows))

    def replace_users(self, name: str, users: DataFrame, frame: DataFrame, commit: Commit, base: int) -> int:
        """Rows in the place of those that some users have at a version; returns the new version, a repeat is skipped.

        What was committed to the table after ``base`` is no part of the new version. Files are not written anew:
        Delta marks the rows that go in deletion vectors, which readers of the table must know.

        Args:
            name: a table with the column user_id.
            users: user_id of those whose rows go.
            frame: the rows that come.
            commit: who writes.
            base: the version that the other rows are of.

        Raises:
            ConflictError: another driver committed to the table meanwhile.
        """
        done = self.committed(name, commit)
        if done is not None:
            return done
        with faults_told(table(name), commit):
            begun = self._go_back(name, base, props.DELETION_VECTORS)
            follows = versions.without_users(self.spark, self.path(name), users, begun)
        return self.append(name, frame, replace(commit, follows=follows))

    def _go_back(self, name: str, base: int, feature: str) -> int:
        """Make the table what it was at a version, with a feature of Delta; returns the version that it is now at."""
        # Going back takes back what the properties were told since, and brings back what an erasure needed.
        wanted = {feature: "true", props.CHECKPOINT: None, **props.retention_properties(self.retention_hours)}
        if not self.is_latest(name, base):
            DeltaTable.forPath(self.spark, self.path(name)).restoreToVersion(base)
        self.set_properties(name, wanted)
        return versions.standing_at(self.spark, self.path(name), base)

    def added(self, name: str, version: int) -> DataFrame:
        """The rows that the commit of this version added, from the change data feed."""
        reader = self.spark.read.format("delta").option("readChangeFeed", "true")
        feed = reader.option("startingVersion", version).option("endingVersion", version).load(self.path(name))
        return feed.where("_change_type = 'insert'").select(*table(name).columns)

    def committed(self, name: str, commit: Commit) -> int | None:
        """The version that this run committed, or None.

        Raises:
            ConflictError: rows of another driver came between it and what it stands on.
        """
        return self._version_by(name, self.commits(name), commit)

    def commits(self, name: str) -> list[tuple[int, Mapping[str, str]]]:
        """Version and metadata of the latest commits, newest first."""
        return self._history.commits(self.path(name)) if self.exists(name) else []

    def files(self, name: str, version: int | None = None) -> list[str]:
        """The Parquet files of the table, as Hadoop paths in a stable order; for readers that know no Delta.

        They begin with their scheme, as in file:/lake/events/part-0.parquet, and nothing in them is percent-encoded.
        """
        return sorted(self.read(name, version).inputFiles())

    def require_files(self, name: str, version: int) -> None:
        """Make sure that a version can be read to its end: the log outlives the files that a vacuum removes.

        Raises:
            NotFoundError: the version, or some of its files, are gone.
        """
        storage, folder = located(self.spark, self.path(name))
        needed = [unquote(uri.rpartition("/")[2]) for uri in self.files(name, version)]
        there = {status.getPath().getName() for status in storage.listStatus(folder)}
        gone = [one for one in needed if one not in there]
        if gone:
            raise NotFoundError(
                f"table {name} cannot be read at version {version}: {len(gone)} of its {len(needed)} files are gone; "
                "a vacuum or an erasure removed them"
            )

    def properties(self, name: str) -> Mapping[str, str]:
        """The table's properties."""
        return props.properties(self.spark, self.path(name))

    def set_properties(self, name: str, wanted: Mapping[str, str | None]) -> None:
        """Set those of the table's properties that differ, and remove those that are to be None."""
        props.set_properties(self.spark, self.path(name), wanted)

    def _write(self, name: str, frame: DataFrame, commit: Commit, mode: str) -> int:
        contract = table(name)
        checked = refuse_nulls(contract, conform(contract, frame))
        if contract.cluster_by:
            checked = checked.sortWithinPartitions(*contract.cluster_by)
        writer = (
            checked.write.format("delta")
            .mode(mode)
            .option("txnAppId", f"{commit.run_id}/{commit.fold}/{name}")
            .option("txnVersion", 1)
            .option("userMetadata", json.dumps(vars(commit), sort_keys=True))
            .options(**props.statistics_properties(contract), **props.retention_properties(self.retention_hours))
            .options(**({props.CHANGE_FEED: "true"} if contract.tells_changes else {}))
        )
        if mode == "overwrite":
            writer = writer.option("overwriteSchema", "true")
        with faults_told(contract, commit):
            self._save(writer, contract)
        last = self._history.last_of_session(self.path(name))
        version = self._version_by(name, [last] if last else [], commit)
        if version is None:  # a repeat commits nothing
            version = self._version_by(name, self._history.commits(self.path(name)), commit)
        if version is None:
            raise NotFoundError(f"table {name}: the commit of run {commit.run_id} is not in its history")
        return version

    def _version_by(self, name: str, commits: Sequence[tuple[int, Mapping[str, Any]]], commit: Commit) -> int | None:
        """The latest version that the commit's run wrote for its fold, or None.

        Delta lets two drivers add rows at the same time; whoever stands on fewer than there are is told here.

        Raises:
            ConflictError: rows of another driver came between it and what it stands on.
        """
        mine = (commit.run_id, commit.fold)
        version, by = next(((v, by) for v, by in commits if (by.get("run_id"), by.get("fold")) == mine), (None, {}))
        follows = by.get("follows")
        path = self.path(name)
        if version is not None and follows is not None and versions.rows_changed(self.spark, path, follows, version):
            raise ConflictError(
                f"table {name}: another driver committed to it while run {commit.run_id} added rows, so that version "
                f"{version} holds those of both; no release names it. Take another --run-id"
            )
        return version

    def _save(self, writer: DataFrameWriter, contract: Contract) -> None:
        """Save; a table of an earlier version first loses what its properties say of columns that go."""
        path = self.path(contract.name)
        try:
            writer.save(path)
        except AnalysisException as error:
            if error.getCondition() != "DELTA_COLUMN_NOT_FOUND_IN_SCHEMA":
                raise
            stay = set(self.spark.read.format("delta").load(path).columns)
            self.set_properties(contract.name, props.statistics_properties(contract, stay))
            writer.save(path)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]

"""Tables of one lake: every read and write is checked against the contract, every write is one commit."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F

from recsys_spark.contracts import Contract, table
from recsys_spark.contracts.spark import conform
from recsys_spark.errors import ConflictError, ContractError, NotFoundError
from recsys_spark.lake.history import LIMIT, History
from recsys_spark.storage import located

_CONFLICT = re.compile(r"\[DELTA_(CONCURRENT|METADATA_CHANGED|PROTOCOL_CHANGED)")
"""Delta's word that another commit came first, in each kind of exception that Spark brings it in."""
_NULL_MARK = "null in a column that may hold none: "
_COMPARABLE = ("string", "int", "bigint", "float", "double", "timestamp", "date")
TRIALS = "trials"
"""Folder of the lakes of trials, below the lake that asked for them."""
WEEK_HOURS = 168.0
"""How long Delta remembers which files were replaced, unless a table's properties say otherwise."""
_CHANGE_FEED = "delta.enableChangeDataFeed"
_DELETION_VECTORS = "delta.enableDeletionVectors"
NO_KEY = "none"


@dataclass(frozen=True)
class Commit:
    """Who writes, for the commit's metadata. ``fold`` keeps a backtest's commits apart from the full run's."""

    run_id: str
    fold: str
    as_of: str
    settings_sha256: str
    source_sha256: str = ""
    """Fingerprint of the source, in the commits of an ingest."""
    key_mark: str = ""
    """Mark of the key that made the pseudonyms, in the commits of an ingest; NO_KEY where ids came as they are."""
    base_run_id: str = ""
    """Release that an update brings up to date; empty in a full refresh."""
    kind: str = ""
    """``erasure`` in the commits of one; empty in all others."""
    follows: int | None = None
    """The version that added rows stand on; None where the commit says itself what the table holds."""


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
        retention_hours: float = WEEK_HOURS,
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
        with _faults_told(table(name), commit):
            self._go_back(name, base, _CHANGE_FEED)
        return self.append(name, frame, replace(commit, follows=self._latest(name)))

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
        with _faults_told(table(name), commit):
            self._go_back(name, base, _DELETION_VECTORS)
            found = DeltaTable.forPath(self.spark, self.path(name))
            theirs = users.select("user_id").distinct().alias("theirs")
            found.alias("rows").merge(theirs, "rows.user_id = theirs.user_id").whenMatchedDelete().execute()
        return self.append(name, frame, replace(commit, follows=self._latest(name)))

    def _latest(self, name: str) -> int:
        return int(DeltaTable.forPath(self.spark, self.path(name)).history(1).collect()[0]["version"])

    def _go_back(self, name: str, base: int, feature: str) -> None:
        """Make the table what it was at a version, with a feature of Delta switched on."""
        found = DeltaTable.forPath(self.spark, self.path(name))
        if not self.is_latest(name, base):
            found.restoreToVersion(base)
        # Going back also takes back what the properties were told since.
        self.set_properties(name, {feature: "true", **retention_properties(self.retention_hours)})

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
        details = DeltaTable.forPath(self.spark, self.path(name)).detail()
        return dict(details.select("properties").collect()[0][0])

    def set_properties(self, name: str, wanted: Mapping[str, str]) -> None:
        """Set those of the table's properties that differ; where none does, nothing is committed."""
        there = self.properties(name)
        differ = {key: value for key, value in wanted.items() if there.get(key) != value}
        if differ:
            listed = ", ".join(f"'{key}' = '{value}'" for key, value in differ.items())
            self.alter(name, f"SET TBLPROPERTIES ({listed})")

    def alter(self, name: str, change: str) -> None:
        """Change the table's properties: ``change`` is what follows the table in ALTER TABLE."""
        _, path = located(self.spark, self.path(name))
        quoted = path.toString().replace("`", "``")
        self.spark.sql(f"ALTER TABLE delta.`{quoted}` {change}")

    def _write(self, name: str, frame: DataFrame, commit: Commit, mode: str) -> int:
        contract = table(name)
        checked = _refuse_nulls(contract, conform(contract, frame))
        if contract.cluster_by:
            checked = checked.sortWithinPartitions(*contract.cluster_by)
        writer = (
            checked.write.format("delta")
            .mode(mode)
            .option("txnAppId", f"{commit.run_id}/{commit.fold}/{name}")
            .option("txnVersion", 1)
            .option("userMetadata", json.dumps(vars(commit), sort_keys=True))
            .options(**statistics_properties(contract), **retention_properties(self.retention_hours))
            .options(**({_CHANGE_FEED: "true"} if contract.tells_changes else {}))
        )
        if mode == "overwrite":
            writer = writer.option("overwriteSchema", "true")
        with _faults_told(contract, commit):
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
        if version is not None and follows is not None and self._changed_between(name, follows, version):
            raise ConflictError(
                f"table {name}: another driver committed to it while run {commit.run_id} added rows, so that version "
                f"{version} holds those of both; no release names it. Take another --run-id"
            )
        return version

    def _changed_between(self, name: str, version: int, later: int) -> bool:
        """Whether a commit between two versions was more than a vacuum, which says when it begins and ends."""
        if later == version + 1:
            return False
        history = DeltaTable.forPath(self.spark, self.path(name)).history(later - version + LIMIT)
        between = history.where((F.col("version") > version) & (F.col("version") < later))
        return not between.where(~F.col("operation").startswith("VACUUM")).isEmpty()

    def _save(self, writer: DataFrameWriter, contract: Contract) -> None:
        """Save; a table of an earlier version first loses what its properties say of columns that go."""
        path = self.path(contract.name)
        try:
            writer.save(path)
        except AnalysisException as error:
            if error.getCondition() != "DELTA_COLUMN_NOT_FOUND_IN_SCHEMA":
                raise
            stay = set(self.spark.read.format("delta").load(path).columns)
            self.set_properties(contract.name, statistics_properties(contract, stay))
            writer.save(path)


def title_of(fold: str, name: str) -> str:
    """How a release names a table; see place_of.

    >>> title_of("backtest", "events"), title_of("full", "events")
    ('backtest/events', 'events')
    """
    return name if fold == "full" else f"{fold}/{name}"


def place_of(title: str) -> tuple[str, str]:
    """Fold and name of the table that a release names.

    >>> place_of("backtest/events"), place_of("events")
    (('backtest', 'events'), ('full', 'events'))
    """
    fold, _, name = title.rpartition("/")
    return fold or "full", name


def statistics_properties(contract: Contract, among: Collection[str] | None = None) -> dict[str, str]:
    """Table properties that keep ids out of the log: Delta notes each file's least and largest value of a column.

    They name the contract's columns that tell of nobody, or those of them ``among`` some. Delta takes them where
    a table is created; an older one gets them when it is next purged.
    """
    if not any(field.personal for field in contract.fields):
        return {}
    harmless = [f.name for f in contract.fields if f.type in _COMPARABLE and not f.personal]
    harmless = [name for name in harmless if among is None or name in among]
    if not harmless:
        return {"delta.dataSkippingNumIndexedCols": "0"}
    return {"delta.dataSkippingStatsColumns": ",".join(harmless)}


def retention_properties(hours: float) -> dict[str, str]:
    """Table properties that let a vacuum keep replaced files for so many hours, and releases name versions for years.

    Delta forgets which files were replaced, and when, after a week, and what it forgot a vacuum removes. The log would
    go after 30 days, but an update names versions that its full refresh wrote; an erasure purges the log itself.
    """
    return {
        "delta.deletedFileRetentionDuration": f"interval {math.ceil(max(hours, WEEK_HOURS))} hours",
        "delta.logRetentionDuration": "interval 3650 days",
    }


def _refuse_nulls(contract: Contract, frame: DataFrame) -> DataFrame:
    """Fail the write itself, in the same pass, where a required column is null."""

    def required(name: str) -> Column:
        field = contract.field(name)
        if field.nullable:
            return F.col(name)
        refused = F.raise_error(F.lit(f"{_NULL_MARK}{contract.name}.{name}")).cast(field.type)
        return (
            F.when(F.col(name).isNull(), refused)
            .otherwise(F.col(name))
            .alias(name, metadata={"comment": field.comment})
        )

    return frame.select(*[required(name) for name in contract.columns])


@contextmanager
def _faults_told(contract: Contract, commit: Commit) -> Iterator[None]:
    """Turn a failed write into words where they help.

    Raises:
        ConflictError, ContractError: see _known_fault.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        known = _known_fault(contract, commit, str(error))
        if known is None:
            raise
        raise known from error


def _known_fault(contract: Contract, commit: Commit, told: str) -> ConflictError | ContractError | None:
    """What a failed write says, where it is something that a user can act on."""
    if _CONFLICT.search(told):
        return ConflictError(
            f"table {contract.name}: another driver committed to it while run {commit.run_id} wrote; nothing of this "
            "write was kept. When the other driver has ended, run this again with the same --run-id"
        )
    found = re.search(re.escape(_NULL_MARK) + r"(\w+\.\w+)", told)
    if found:
        return ContractError(
            f"table {contract.name}: found {_NULL_MARK}{found[1]}; expected a value in every row. "
            f"Nothing was written; mend the step that makes it ({contract.made_by})."
        )
    return None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]

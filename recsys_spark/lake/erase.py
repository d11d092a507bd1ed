"""Take users out of every table, every earlier version and Delta's own log, and put that on record without their ids.

First every table that holds users is written anew without them, from the rows that readers see; then one commit moves
readers to the new versions and withdraws all earlier releases; last, files and log entries below the new versions go.
Each part can be repeated: an erasure that was killed ends when it is run again under its run id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from py4j.protocol import Py4JError
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.contracts import ALL_TABLES, Contract, table
from recsys_spark.errors import ConflictError, NotFoundError, PrerequisiteError, SettingsError
from recsys_spark.lake.commit import Commit, place_of, title_of
from recsys_spark.lake.lake import Lake
from recsys_spark.lake.properties import CHECKPOINT, retention_properties, statistics_properties
from recsys_spark.lake.releases import Release, current_release, release_of, supersede
from recsys_spark.lake.vacuum import remove_files
from recsys_spark.storage import located

_ERASURE = "erasure"


@dataclass(frozen=True)
class Request:
    """Who is to be erased."""

    users: DataFrame
    """user_id: every form under which the lake may hold them."""
    digests: DataFrame
    """digest: by which ingest knows them again; may be empty."""
    n_users: int
    asked_at: datetime | None


def erase(lake: Lake, request: Request, commit: Commit) -> Mapping[str, int]:
    """Erase users from a lake in which no job is running.

    Args:
        lake: all of its tables are searched, of both folds.
        request: who.
        commit: names the erasure.

    Returns:
        Table (``backtest/NAME`` for the other fold) to how many rows went.

    Raises:
        NotFoundError: there is no such lake, or the release that readers see names a version that cannot be read.
        SettingsError: the run id was used, and not by this erasure.
        ConflictError: this erasure was stopped, and another run has written since.
        PrerequisiteError: Delta writes no checkpoint of a table; its log stays.
    """
    full = lake.with_fold("full")
    release = _standing_release(full)
    source = _Source(full, release, replace(commit, fold="full", as_of=_as_of(full, release), kind=_ERASURE))
    if not source.places:
        raise NotFoundError(f"no table of the lake at {lake.root} holds users; check lake.path")
    recorded = _require_unused(full, request, commit.run_id)
    source.require_last()
    source.require_gone(request.users)
    if not recorded:
        ended = _unpublished_runs(full, commit)
        erased = {title_of(*place): source.rewrite(*place, request.users) for place in source.places}
        full.append("erasures", _record(full, request, commit, erased, ended), source.commit)
    versions = source.versions()
    if release is not None:
        supersede(full, release, versions, source.commit)
    for fold, name in source.places:
        _purge(lake.with_fold(fold), name, versions[title_of(fold, name)])
    return _records(full, commit.run_id).select("rows_erased").collect()[0][0]


def erased_digests(lake: Lake) -> DataFrame | None:
    """digest: of all users that were erased under a key; None if no erasure is on record."""
    full = lake.with_fold("full")
    if not full.exists("erasures"):
        return None
    return full.read("erasures").select(F.explode("digests").alias("digest")).distinct()


def erasure_runs(lake: Lake) -> set[str]:
    """Run ids of all erasures: a table that one of them wrote anew is what an earlier run made of all other users."""
    full = lake.with_fold("full")
    if not full.exists("erasures"):
        return set()
    return {row["run_id"] for row in full.read("erasures").select("run_id").collect()}


def require_not_ended(lake: Lake, run_id: str) -> None:
    """A run that had not published when users were erased may not go on.

    Raises:
        SettingsError: an erasure has ended this run.
    """
    full = lake.with_fold("full")
    if not full.exists("erasures"):
        return
    ended = full.read("erasures").where(F.array_contains("ended_runs", run_id)).first()
    if ended is not None:
        raise SettingsError(
            f"run {run_id} was started before the erasure {ended['run_id']} and would bring erased users back; "
            "take another --run-id"
        )


@dataclass(frozen=True)
class _Source:
    """What an erasure starts from: the rows that readers see, else a table's latest."""

    lake: Lake
    release: Release | None
    commit: Commit

    @property
    def places(self) -> list[tuple[str, str]]:
        """Fold and name of every table there is that holds users."""
        names = [name for name, contract in ALL_TABLES.items() if contract.about_users]
        return [(f, n) for f in ("full", "backtest") for n in names if self.lake.with_fold(f).exists(n)]

    def versions(self) -> dict[str, int]:
        """Table to the version that this erasure committed."""
        found = {(f, n): self.lake.with_fold(f).committed(n, replace(self.commit, fold=f)) for f, n in self.places}
        return {title_of(*place): version for place, version in found.items() if version is not None}

    def require_last(self) -> None:
        """No other run may have written a table after this erasure did: the rows there may be anybody's again.

        Raises:
            ConflictError: one has.
        """
        for fold, name in self.places:
            writers = [written["run_id"] for _, written in self.lake.with_fold(fold).commits(name)]
            if self.commit.run_id in writers and writers[0] != self.commit.run_id:
                raise ConflictError(
                    f"table {title_of(fold, name)}: the erasure {self.commit.run_id} wrote it, but run {writers[0]} "
                    "has written since; erase again under another --run-id"
                )

    def require_gone(self, users: DataFrame) -> None:
        """What this erasure has committed must lack the users, or it was begun for others.

        Raises:
            SettingsError: they are there.
        """
        for title, version in self.versions().items():
            fold, name = place_of(title)
            contract = table(name)
            if not contract.personal("id") and not contract.personal("text"):
                continue  # positions are those of users in a table with ids
            there, _ = self._parted(self.lake.with_fold(fold).read(name, version), contract, fold, users)
            if not there.isEmpty():
                raise SettingsError(_of_others(self.commit.run_id))

    def rewrite(self, fold: str, name: str, users: DataFrame) -> int:
        """Commit the table without the users and return how many rows went; a checkpoint of the log comes with it."""
        folded, contract = self.lake.with_fold(fold), table(name)
        version, _ = self._before(fold, name)
        rows = folded.read(name, version)
        gone, kept = self._parted(rows, contract, fold, users)
        retention = retention_properties(folded.retention_hours)
        folded.set_properties(name, {**statistics_properties(contract), **retention, CHECKPOINT: "1"})
        folded.overwrite(name, kept, replace(self.commit, fold=fold))
        return gone.count()

    def _before(self, fold: str, name: str) -> tuple[int | None, str]:
        """Version to take the rows from (None is the latest), and the run that wrote it."""
        runs = {v: c["run_id"] for v, c in self.lake.with_fold(fold).commits(name) if c["run_id"] != self.commit.run_id}
        seen = self.release.tables.get(title_of(fold, name)) if self.release else None
        version = max(runs, default=None) if seen is None else seen
        return version, runs.get(version, "") if version is not None else ""

    def _parted(self, rows: DataFrame, contract: Contract, fold: str, users: DataFrame) -> tuple[DataFrame, DataFrame]:
        """Rows of the users, and all others."""
        if contract.personal("id"):
            return _split(rows, users, ["user_id"])
        if text := contract.personal("text"):
            words = F.broadcast(users.select(as_word(F.col("user_id")).alias("word")))
            return _split(rows, words, F.regexp_like(rows[text], words["word"]))
        positions = self._positions(contract, fold, users)
        if positions is None:  # nobody can say whose rows these are
            return rows, rows.limit(0)
        named = positions.select(
            F.col("user_idx").alias(str(contract.personal("position"))), F.lit("user").alias("side")
        )
        keys = [name for name in named.columns if name in contract.columns]
        return _split(rows, named.select(*keys), keys)

    def _positions(self, contract: Contract, fold: str, users: DataFrame) -> DataFrame | None:
        """user_idx of the users in the profiles of the run that also wrote this table; None if they are gone."""
        folded = self.lake.with_fold(fold)
        if not folded.exists("user_profiles"):
            return None
        version, run = self._before(fold, "user_profiles")
        if run != self._before(fold, contract.name)[1]:
            return None
        return folded.read("user_profiles", version).join(users, "user_id", "left_semi").select("user_idx")


def _split(rows: DataFrame, keys: DataFrame, on: list[str] | Column) -> tuple[DataFrame, DataFrame]:
    """Rows that have a key, and those that have none."""
    return rows.join(keys, on, "left_semi"), rows.join(keys, on, "left_anti")


def as_word(identifier: Column) -> Column:
    """A pattern that finds an id in the text of a row, plain or as JSON has it, but not within a longer word.

    JSON escapes some characters, and writes a number that came as a double with an exponent from ten million on.
    """
    escaped = F.regexp_replace(identifier, r'([\\"])', r"\\$1")
    double = F.when(identifier.rlike(r"^-?[1-9]\d{7,}$"), identifier.try_cast("double").cast("string"))
    forms = [F.regexp_replace(text, r"([^\p{L}\p{N}])", r"\\$1") for text in (identifier, escaped, double)]
    either = F.concat(forms[0], F.lit("|"), forms[1], F.coalesce(F.concat(F.lit("|"), forms[2]), F.lit("")))
    return F.concat(F.lit(r"(?<![\p{L}\p{N}])(?:"), either, F.lit(r")(?![\p{L}\p{N}])"))


def _standing_release(lake: Lake) -> Release | None:
    try:
        return current_release(lake)
    except NotFoundError:
        return None


def _require_unused(lake: Lake, request: Request, run_id: str) -> bool:
    """Whether an erasure of the same users is on record under this run id.

    Without a key the record says no more of them than how many they were.

    Raises:
        SettingsError: the run id was used otherwise.
    """
    require_not_ended(lake, run_id)
    if not lake.exists("erasures") or _records(lake, run_id).isEmpty():
        used = any(_run_of(w) == run_id and w.get("kind") != _ERASURE for w in _writers(lake))
        if used or release_of(lake, run_id):
            raise SettingsError(
                f"run id {run_id} was used by a run that is no erasure, so nobody was erased; take another --run-id"
            )
        return False
    asked = _digests(request).withColumnRenamed("digests", "asked")
    same = (F.col("n_users") == request.n_users) & (F.col("digests") == F.col("asked"))
    if _records(lake, run_id).crossJoin(asked).where(same).isEmpty():
        raise SettingsError(_of_others(run_id))
    return True


def _of_others(run_id: str) -> str:
    return f"run id {run_id} is that of an erasure of other users, so nobody was erased; take another --run-id"


def _writers(lake: Lake) -> Iterator[Mapping[str, str]]:
    """What the commits of every table of both folds say of who wrote."""
    for folded in (lake.with_fold(fold) for fold in ("full", "backtest")):
        for name in ALL_TABLES:
            yield from (written for _, written in folded.commits(name))


def _run_of(written: Mapping[str, str]) -> str:
    """The run that a commit is of; a claim to it, and its refusal, are committed under longer ids."""
    return written["run_id"].partition("/")[0]


def _unpublished_runs(lake: Lake, commit: Commit) -> list[str]:
    """Runs that wrote a table of this lake and have not published."""
    wrote = {_run_of(written) for written in _writers(lake)}
    if lake.exists("releases"):
        published = lake.read("releases").where("state = 'published'").select("run_id").collect()
        wrote -= {row["run_id"] for row in published}
    return sorted(wrote - {commit.run_id})


def _as_of(lake: Lake, release: Release | None) -> str:
    """As-of time of the rows that stay: the release's, else that of the last ingest."""
    if release is not None:
        return release.as_of.isoformat()
    return next((written["as_of"] for _, written in lake.commits("events")), "")


def _record(lake: Lake, request: Request, commit: Commit, erased: Mapping[str, int], ended: Sequence[str]) -> DataFrame:
    """The row of the contract erasures."""
    told = lake.spark.createDataFrame(
        [(commit.run_id, request.asked_at, request.n_users, dict(erased), list(ended))],
        "run_id string, asked_at timestamp, n_users bigint, rows_erased map<string,bigint>, ended_runs array<string>",
    )
    return told.crossJoin(_digests(request)).select(*table("erasures").columns)


def _records(lake: Lake, run_id: str) -> DataFrame:
    """The row of an erasure, if it is on record."""
    return lake.read("erasures").where(F.col("run_id") == run_id)


def _digests(request: Request) -> DataFrame:
    """digests: one row, in order."""
    return request.digests.agg(F.array_sort(F.collect_set("digest")).alias("digests"))


def _purge(lake: Lake, name: str, version: int) -> None:
    """Remove every data file and every log entry below a version; its checkpoint stands for what went before.

    Raises:
        PrerequisiteError: there is no checkpoint, and none could be written; no log entry was removed.
    """
    lake.set_properties(name, {CHECKPOINT: None})
    remove_files(lake.spark, lake.path(name), 0)
    if not _has_checkpoint(lake, name, version):  # killed right after the commit, or Delta could not and kept silent
        _write_checkpoint(lake, name, version)
    if not _has_checkpoint(lake, name, version):
        raise PrerequisiteError(
            f"table {name}: Delta has written no checkpoint at version {version}, without which the log below it may "
            "not go. Make room for the lake and allow writing there, and run this again with the same --run-id"
        )
    files, log = located(lake.spark, f"{lake.path(name)}/_delta_log")
    for status in files.listStatus(log):
        entry = status.getPath()
        if entry.getName()[:20].isdigit() and int(entry.getName()[:20]) < version:
            files.delete(entry, False)


def _has_checkpoint(lake: Lake, name: str, version: int) -> bool:
    files, log = located(lake.spark, f"{lake.path(name)}/_delta_log")
    prefix = f"{version:020d}.checkpoint"
    return any(one.getPath().getName().startswith(prefix) and one.getLen() for one in files.listStatus(log))


def _write_checkpoint(lake: Lake, name: str, version: int) -> None:
    """Have Delta write its checkpoint of a version; where it cannot, it may also say nothing."""
    delta = lake.spark.sparkContext._jvm.org.apache.spark.sql.delta  # type: ignore[union-attr]
    try:
        delta.DeltaLog.forTable(lake.spark._jsparkSession, lake.path(name)).createCheckpointAtVersion(version)
    except (Py4JError, TypeError):  # TypeError: no such class, as on Databricks; the caller looks whether it is there
        return

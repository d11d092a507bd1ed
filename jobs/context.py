"""One run of one or more steps: its settings, its lake, who writes, and how its progress is told."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from pyspark.sql import DataFrame, SparkSession

from recsys_spark.config import Settings
from recsys_spark.config.load import settings_sha256
from recsys_spark.contracts import table
from recsys_spark.errors import NotFoundError
from recsys_spark.kernels.grid import Grid
from recsys_spark.kernels.together import together
from recsys_spark.lake import Claim, Commit, Lake, Release, claim, require_claim, title_of

log = logging.getLogger("recsys")


@dataclass(frozen=True)
class Base:
    """The release that an update brings up to date."""

    release: Release
    learned_as_of: datetime
    """As-of time of the full refresh that learned what the release was made with; ages count back from it."""
    everyone: bool = False
    """Whether everyone is described and scored anew, changed or not."""

    @property
    def mode(self) -> str:
        """What ``--mode`` calls a refresh that stands on a release."""
        return "rescore" if self.everyone else "update"


@dataclass(frozen=True)
class Job:
    """One run of one or more steps: the settings, the lake, and who writes."""

    settings: Settings
    spark: SparkSession
    lake: Lake
    run_id: str
    as_of: datetime | None = None
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    """Version of each table that this run is known to have committed, by fold and name."""
    source_sha256: str = ""
    """Fingerprint of the source, while an ingest writes."""
    key_mark: str = ""
    """Mark of the key of the pseudonyms, while an ingest writes."""
    claim: Claim | None = None
    """This driver's claim to the run, where it made one, as a refresh does."""
    base: Base | None = None
    """What an update stands on; None in a full refresh and in a step that is run by itself."""
    arguments: argparse.Namespace = field(default_factory=argparse.Namespace)

    @property
    def fold(self) -> str:
        """Which fold this job works on."""
        return self.lake.fold

    @property
    def cutoff(self) -> datetime:
        """Events before this time are used.

        Raises:
            NotFoundError: neither --as-of nor an ingest in this lake says it.
        """
        if self.as_of is None:
            raise NotFoundError("no as-of time: found neither --as-of nor an ingested events table; run ingest first")
        return self.as_of

    @property
    def ages_from(self) -> datetime:
        """The time that ages count back from.

        An update takes that of the full refresh, so that who did nothing since does not change.
        """
        return self.base.learned_as_of if self.base else self.cutoff

    @property
    def commit(self) -> Commit:
        """Metadata for this run's commits."""
        as_of = self.as_of.isoformat() if self.as_of else ""
        written = settings_sha256(self.settings)
        base_run_id, mode = (self.base.release.run_id, self.base.mode) if self.base else ("", "")
        return Commit(self.run_id, self.fold, as_of, written, self.source_sha256, self.key_mark, base_run_id, mode)

    @property
    def asked_as_of(self) -> datetime | None:
        """The as-of time that --as-of or an earlier attempt of this run says; what other runs used does not count."""
        return getattr(self.arguments, "as_of", None) or as_of_by_run(self.lake).get(self.run_id)

    @property
    def begun(self) -> Mapping[str, str] | None:
        """What the commit says by which an earlier attempt of this run began; None if there was none."""
        commits = self.lake.with_fold("full").commits("events")
        return next((written for _, written in commits if written["run_id"] == self.run_id), None)

    def ingested(self) -> Job:
        """The same run with the as-of time that its ingest used."""
        return replace(self, as_of=as_of_by_run(self.lake)[self.run_id])

    def claimed(self) -> Job:
        """The same run, taken over from every driver before; see ``lake.claims``."""
        return replace(self, claim=claim(self.lake, self.commit))

    def require_claim(self) -> None:
        """See that this run is still this driver's, where it was claimed.

        Raises:
            ConflictError: another driver took it over.
        """
        if self.claim:
            require_claim(self.lake, self.run_id, self.claim)

    def with_fold(self, fold: str) -> Job:
        """The same run on the other fold."""
        return replace(self, lake=self.lake.with_fold(fold))

    def read(self, name: str) -> DataFrame:
        """A table of this fold: the version that this run committed, else in an update its base's, else the latest.

        The backtest fold has no users, items or quality counts of its own and reads the full fold's.
        """
        return self._lake_of(name).read(name, self.version(name))

    def version(self, name: str) -> int | None:
        """Which version of a table :meth:`read` reads; None is the latest."""
        lake = self._lake_of(name)
        key = (lake.fold, name)
        from_base = self.base.release.tables.get(title_of(*key)) if self.base else None
        if from_base is not None and table(name).learned:
            return from_base  # an update writes none
        if key not in self.versions:
            version = lake.committed(name, replace(self.commit, fold=lake.fold))
            if version is None:
                return from_base
            self.versions[key] = version
        return self.versions[key]

    def _lake_of(self, name: str) -> Lake:
        return self.lake if self.fold == "full" or name not in SHARED else self.lake.with_fold("full")

    def before(self, name: str) -> DataFrame | None:
        """In an update, a table as its base has it; else None."""
        return self.base.release.read(self.lake, title_of(self.fold, name)) if self.base else None

    def changed(self, frame: DataFrame) -> DataFrame:
        """In an update, the rows of the users whom it describes anew; else all rows."""
        if self.base is None:
            return frame
        return frame.join(self.read("changed_users").select("user_id"), "user_id", "left_semi")

    def unchanged(self, frame: DataFrame) -> DataFrame:
        """In an update, the rows of all other users."""
        return frame.join(self.read("changed_users").select("user_id"), "user_id", "left_anti")

    def with_unchanged(self, name: str, rows: DataFrame) -> DataFrame:
        """In an update, the rows and those that its base has of all other users; else the rows."""
        before = self.before(name)
        if before is None:
            return rows
        others = self.unchanged(before)
        return rows.select(*others.columns).unionByName(others)

    def new(self, name: str, key: str) -> DataFrame:
        """In an update, the rows of a table whose key its base lacks; else all rows."""
        rows, before = self.read(name), self.before(name)
        return rows if before is None else rows.join(before.select(key), key, "left_anti")

    def with_new(self, name: str, rows: DataFrame) -> DataFrame:
        """In an update, the rows behind all that its base has; else the rows."""
        before = self.before(name)
        return rows if before is None else before.unionByName(rows.select(*before.columns))

    def leave(self, name: str) -> None:
        """In an update, let a table stay as its base has it; nothing is committed."""
        self.versions[(self.fold, name)] = self._base_version(name)

    def stays(self, name: str) -> bool:
        """In an update, whether a table is as its base has it."""
        return self.base is not None and self.version(name) == self._base_version(name)

    def write(self, name: str, frame: DataFrame) -> None:
        """Replace a table of this fold in one commit.

        Raises:
            ConflictError: another driver took the run over, or committed to the table meanwhile.
        """
        self._committed(name, lambda: self.lake.overwrite(name, frame, self.commit))

    def write_together(self, frames: Mapping[str, DataFrame], title: str) -> None:
        """Replace tables that do not read each other, each in one commit, at the same time.

        Raises:
            ConflictError: as :meth:`write`.
        """

        def one(name: str) -> None:
            self.describe(f"{title} {name}")
            self.write(name, frames[name])

        together(self.spark, [partial(one, name) for name in frames])

    def keep_for_updates(self, name: str, frame: DataFrame) -> DataFrame:
        """Replace a table that updates read again, and hand back what it holds; where none will, the frame itself."""
        if not self.outputs([name]):
            return frame
        self.write(name, frame)
        return self.read(name)

    def extend(self, name: str, frame: DataFrame) -> None:
        """In an update, add rows to a table as its base has it, in one commit.

        Raises:
            ConflictError: as :meth:`write`.
        """
        self._committed(name, lambda: self.lake.extend(name, frame, self.commit, self._base_version(name)))

    def replace_changed(self, name: str, frame: DataFrame) -> None:
        """In an update, the rows of changed users in the place of those that its base has of them.

        Delta commits twice, and the release names the second version. For tables so large that writing the rows of all
        other users again takes most of a step; elsewhere :meth:`with_unchanged` and :meth:`write` leave plain files.

        Raises:
            ConflictError: as :meth:`write`.
        """
        users = self.read("changed_users")
        self._committed(
            name, lambda: self.lake.replace_users(name, users, frame, self.commit, self._base_version(name))
        )

    def _base_version(self, name: str) -> int:
        """The version of a table that an update starts from; the first one in a full refresh."""
        return self.base.release.tables[title_of(self.fold, name)] if self.base else 0

    def _committed(self, name: str, commit: Callable[[], int]) -> None:
        started = time.monotonic()
        self.require_claim()
        version = commit()
        self.versions[(self.fold, name)] = version
        log.info("  %s: version %d in %.1f s", title_of(self.fold, name), version, time.monotonic() - started)

    def outputs(self, names: Sequence[str]) -> list[str]:
        """Which of a step's tables this run writes: an update keeps what was learned, and none follows a backtest."""
        kept = [name for name in names if not (self.base and table(name).learned)]
        return [name for name in kept if self.fold == "full" or not table(name).for_updates]

    def finished(self, names: Sequence[str]) -> bool:
        """Whether this run has committed all of these tables already."""
        for name in names:
            if (self.fold, name) in self.versions:
                continue
            version = self.lake.committed(name, self.commit)
            if version is None:
                return False
            self.versions[(self.fold, name)] = version
        return True

    def grid(self, n_users: int, n_items: int) -> Grid:
        """So many users and items laid out over tasks, as the settings and this session's cores ask."""
        rank, cores = self.settings.rank, self.spark.sparkContext.defaultParallelism
        return Grid.of(n_users, n_items, rank.users_per_task, rank.items_per_task, cores)

    def grid_across(self, n_items: int, n_users: int) -> Grid:
        """The same where so many items are searched for users."""
        return Grid.across(
            n_items, n_users, self.settings.rank.users_per_task, self.spark.sparkContext.defaultParallelism
        )

    def describe(self, text: str) -> None:
        """Name the work in the Spark UI."""
        self.spark.sparkContext.setJobDescription(text)


SHARED = ("users", "items", "quarantine", "data_quality")


def as_of_by_run(lake: Lake) -> dict[str, datetime]:
    """Run id to the as-of time of the events that it ingested, the latest commit first."""
    found: dict[str, datetime] = {}
    for _, written in lake.with_fold("full").commits("events"):
        if written.get("as_of"):
            found.setdefault(written["run_id"], datetime.fromisoformat(written["as_of"]))
    return found


def with_stage(title: str, work: Callable[[], None]) -> None:
    """Run one stage and tell its name and elapsed time."""
    started = time.monotonic()
    log.info("%s …", title)
    work()
    log.info("%s done in %.1f s", title, time.monotonic() - started)

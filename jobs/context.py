"""One run of one or more steps: its settings, its lake, who writes, and how its progress is told."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession

from recsys_spark.config import Settings
from recsys_spark.config.load import settings_sha256
from recsys_spark.errors import NotFoundError
from recsys_spark.kernels.grid import Grid
from recsys_spark.lake import Commit, Lake, claim, require_claim, title_of

log = logging.getLogger("recsys")


@dataclass(frozen=True)
class Job:
    """One run of one or more steps: the settings, the lake, and who writes."""

    settings: Settings
    spark: SparkSession
    lake: Lake
    run_id: str
    as_of: datetime | None = None
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    """Version of each table that this run read or wrote, by fold and name."""
    source_sha256: str = ""
    """Fingerprint of the source, while an ingest writes."""
    key_mark: str = ""
    """Mark of the key of the pseudonyms, while an ingest writes."""
    driver: str = ""
    """Token of this driver where it claimed the run, as a refresh does."""
    arguments: argparse.Namespace = field(default_factory=argparse.Namespace)

    @property
    def fold(self) -> str:
        """Which fold this job works on."""
        return self.lake.fold

    @property
    def cutoff(self) -> datetime:
        """The as-of time that ages count back from.

        Raises:
            NotFoundError: neither --as-of nor an ingest in this lake says it.
        """
        if self.as_of is None:
            raise NotFoundError("no as-of time: found neither --as-of nor an ingested events table; run ingest first")
        return self.as_of

    @property
    def commit(self) -> Commit:
        """Metadata for this run's commits."""
        as_of = self.as_of.isoformat() if self.as_of else ""
        written = settings_sha256(self.settings)
        return Commit(self.run_id, self.fold, as_of, written, self.source_sha256, self.key_mark)

    @property
    def asked_as_of(self) -> datetime | None:
        """The as-of time that --as-of or an earlier attempt of this run says; what other runs used does not count."""
        return getattr(self.arguments, "as_of", None) or as_of_by_run(self.lake).get(self.run_id)

    def ingested(self) -> Job:
        """The same run with the as-of time that its ingest used."""
        return replace(self, as_of=as_of_by_run(self.lake)[self.run_id])

    def claimed(self) -> Job:
        """The same run, taken over from every driver before; see ``lake.claims``."""
        return replace(self, driver=claim(self.lake, self.commit))

    def require_claim(self) -> None:
        """See that this run is still this driver's, where it was claimed.

        Raises:
            ConflictError: another driver took it over.
        """
        if self.driver:
            require_claim(self.lake, self.run_id, self.driver)

    def with_fold(self, fold: str) -> Job:
        """The same run on the other fold."""
        return replace(self, lake=self.lake.with_fold(fold))

    def read(self, name: str) -> DataFrame:
        """A table of this fold: the version that this run committed, else the latest.

        The backtest fold has no users, items or quality counts of its own and reads the full fold's.
        """
        lake = self.lake if self.fold == "full" or name not in SHARED else self.lake.with_fold("full")
        key = (lake.fold, name)
        if key not in self.versions:
            commit = replace(self.commit, fold=lake.fold)
            version = lake.committed(name, commit)
            if version is not None:
                self.versions[key] = version
        return lake.read(name, self.versions.get(key))

    def write(self, name: str, frame: DataFrame) -> None:
        """Replace a table of this fold in one commit.

        Raises:
            ConflictError: another driver took the run over, or committed to the table meanwhile.
        """
        started = time.monotonic()
        self.require_claim()
        version = self.lake.overwrite(name, frame, self.commit)
        self.versions[(self.fold, name)] = version
        log.info("  %s: version %d in %.1f s", title_of(self.fold, name), version, time.monotonic() - started)

    def finished(self, names: Sequence[str]) -> bool:
        """Whether this run has committed all of these tables already."""
        for name in names:
            version = self.versions.get((self.fold, name)) or self.lake.committed(name, self.commit)
            if version is None:
                return False
            self.versions[(self.fold, name)] = version
        return True

    def grid(self, n_users: int, n_items: int) -> Grid:
        """So many users and items laid out over tasks, as the settings and this session's cores ask."""
        rank, cores = self.settings.rank, self.spark.sparkContext.defaultParallelism
        return Grid.of(n_users, n_items, rank.users_per_task, rank.items_per_task, cores)

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

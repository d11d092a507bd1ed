"""What every job does before and after its own work: arguments, settings, session, lake, progress, errors."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.config import Settings, load_settings
from recsys_spark.config.load import settings_sha256
from recsys_spark.errors import NotFoundError, PrerequisiteError, RecsysError, SettingsError
from recsys_spark.kernels.grid import Grid
from recsys_spark.lake import Commit, Lake, claim, require_claim, title_of
from recsys_spark.session import open_session
from recsys_spark.sources.jdbc import driver_packages

log = logging.getLogger("recsys")

_STORAGE_FAULT = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Permission denied|Mkdirs failed to create \S+"
    r"|DELTA_CANNOT_CREATE_LOG_PATH\] [^\n]+"
)
"""What the system says, through Python, Hadoop or Delta, when a file cannot be written."""


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
        return getattr(self.arguments, "as_of", None) or _as_of_by_run(self.lake).get(self.run_id)

    def ingested(self) -> Job:
        """The same run with the as-of time that its ingest used."""
        return replace(self, as_of=_as_of_by_run(self.lake)[self.run_id])

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


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """The arguments that every job takes."""
    arguments = argparse.ArgumentParser(prog=f"recsys {name}", description=about)
    arguments.add_argument("--conf", default="conf/demo.yaml", help="settings file (YAML); conf/ holds examples")
    arguments.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one setting, such as --set als.rank=32; may be repeated",
    )
    arguments.add_argument(
        "--as-of",
        type=_instant,
        help="use events before this time (ISO 8601, UTC); default: the latest plausible event time of the source",
    )
    arguments.add_argument("--run-id", type=_run_id, help="name of this run; running it again resumes it")
    arguments.add_argument(
        "--fold",
        choices=("full", "backtest"),
        default="full",
        help="work on the full tables, or on those of the backtest's split",
    )
    return arguments


def run_job(
    name: str,
    about: str | None,
    run: Callable[[Job], None],
    argv: Sequence[str] | None,
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None,
) -> int:
    """Parse, open, run, and turn an error a user can act on into one message and an exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for told in (log.name, "recsys_spark"):
        logging.getLogger(told).setLevel(logging.INFO)
    accepted = parser(name, about or "")
    if add_arguments:
        add_arguments(accepted)
    arguments = accepted.parse_args(argv)
    try:
        job = open_job(name, arguments)
        with_storage_told(lambda: with_stage(name, lambda: run(job)))
    except RecsysError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def with_storage_told(work: Callable[[], None]) -> None:
    """Do the work; a full or closed disk becomes one message.

    Raises:
        PrerequisiteError: the system would not take a file.
    """
    try:
        work()
    except (OSError, PySparkException, Py4JJavaError) as error:
        fault = _STORAGE_FAULT.search(str(error))
        if fault is None:
            raise
        raise PrerequisiteError(
            f"a file could not be written: {fault[0]}. What was committed stays, and readers see the last release; "
            "make room for the lake and for Spark's temporary files, or allow writing there, and run this again with "
            "the same --run-id"
        ) from error


def open_job(name: str, arguments: argparse.Namespace) -> Job:
    """Settings first, so that a fault in them is told before Spark starts."""
    settings = load_settings(arguments.conf, arguments.overrides)
    spark = open_session(settings.spark, f"recsys {name}", driver_packages(settings.source))
    lake = Lake(spark, settings.lake.path, arguments.fold)
    if settings.backtest.use_trials:
        settings = load_settings(arguments.conf, arguments.overrides, _chosen_by_trials(lake))
    run_id = arguments.run_id or f"adhoc-{uuid.uuid4()}"
    # A step that is run by itself works on the events of this run, else on the latest that were ingested.
    ingested = _as_of_by_run(lake)
    as_of = arguments.as_of or ingested.get(run_id) or next(iter(ingested.values()), None)
    return Job(settings, spark, lake, run_id, as_of, arguments=arguments)


def _chosen_by_trials(lake: Lake) -> dict[str, Any]:
    """Dotted key to value of the settings that the latest trials chose; nothing where there were none."""
    full = lake.with_fold("full")
    if not full.exists("settings_trials"):
        return {}
    best = full.read("settings_trials").where("chosen").first()
    return {key: json.loads(value) for key, value in sorted(best["settings"].items())} if best else {}


def _as_of_by_run(lake: Lake) -> dict[str, datetime]:
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


def _run_id(text: str) -> str:
    """A name that is one folder below the models, and one word in logs."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,199}", text):
        raise argparse.ArgumentTypeError(
            f"{text[:50]!r} is no name of a run: letters, digits and . _ : + - (at most 200), a letter or digit first"
        )
    return text


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO 8601 time, such as 2017-12-31T23:59:59") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


__all__ = ["Job", "SettingsError", "log", "open_job", "parser", "run_job", "with_stage"]

"""A command of a job: arguments, the settings and session that it opens, the errors and exit codes that end it."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from jobs.command_line import settings_parser, told
from jobs.context import Job, as_of_by_run, log, with_stage
from jobs.pipeline import require_same_start
from jobs.steps import STEPS
from recsys_spark.config import load_settings
from recsys_spark.errors import PrerequisiteError
from recsys_spark.lake import Lake
from recsys_spark.session import open_session
from recsys_spark.sources.jdbc import driver_packages

_STORAGE_FAULT = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Permission denied|Mkdirs failed to create \S+"
    r"|DELTA_CANNOT_CREATE_LOG_PATH\] [^\n]+"
)
"""What the system says, through Python, Hadoop or Delta, when a file cannot be written."""

YEARS = range(1900, 2262)
"""Of an as-of time: events from the year 2262 on are refused, and days are added to it and taken from it."""


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """The arguments that every job takes."""
    override = "override one setting, such as --set als.rank=32"
    arguments = settings_parser(name, about, "settings file (YAML); conf/ holds examples", override)
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
    for logger in (log.name, "recsys_spark"):
        logging.getLogger(logger).setLevel(logging.INFO)
    accepted = parser(name, about or "")
    if add_arguments:
        add_arguments(accepted)
    arguments = accepted.parse_args(argv)

    def work() -> None:
        job = open_job(name, arguments)
        # Delta would skip what the run has committed under other settings, and report it as done. The backtest looks by
        # itself, and lets settings differ that do not touch what it judges.
        if name in STEPS and name != "backtest":
            require_same_start(job, reads_source=False)
        with_storage_told(lambda: with_stage(name, lambda: run(job)))

    return told(work)


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
            "make room for the lake and for Spark's temporary files, or allow writing there, and run this again; a "
            "job, with the same --run-id"
        ) from error


def open_job(name: str, arguments: argparse.Namespace) -> Job:
    """Settings first, so that a fault in them is told before Spark starts."""
    settings = load_settings(arguments.conf, arguments.overrides)
    spark = open_session(settings.spark, f"recsys {name}", driver_packages(settings.source))
    lake = Lake(spark, settings.lake.path, arguments.fold, retention_hours=settings.lake.retention_hours)
    if settings.backtest.use_trials:
        settings = load_settings(arguments.conf, arguments.overrides, _chosen_by_trials(lake))
    run_id = arguments.run_id or f"adhoc-{uuid.uuid4()}"
    if not arguments.run_id:
        log.info("this run has no --run-id; should it stop, --run-id %s resumes it", run_id)
    # A step that is run by itself works on the events of this run, else on the latest that were ingested.
    ingested = as_of_by_run(lake)
    as_of = arguments.as_of or ingested.get(run_id) or next(iter(ingested.values()), None)
    return Job(settings, spark, lake, run_id, as_of, arguments=arguments)


def _chosen_by_trials(lake: Lake) -> dict[str, Any]:
    """Dotted key to value of the settings that the latest trials chose; nothing where there were none."""
    full = lake.with_fold("full")
    if not full.exists("settings_trials"):
        return {}
    best = full.read("settings_trials").where("chosen").first()
    return {key: json.loads(value) for key, value in sorted(best["settings"].items())} if best else {}


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
    if found.year not in YEARS:
        raise argparse.ArgumentTypeError(f"{text!r} is no time of the years {YEARS[0]} to {YEARS[-1]}")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

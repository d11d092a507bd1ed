"""Whether a refresh learns anew or brings the current release up to date, and what it then stands on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from jobs.context import Base, Job, log
from jobs.hiding import hidden, keys_of_lake
from recsys_spark.config.load import same_learning
from recsys_spark.contracts import ALL_TABLES
from recsys_spark.errors import ContractError, NotFoundError, SettingsError
from recsys_spark.events.clean import latest_plausible
from recsys_spark.lake import Release, current_release, release_of
from recsys_spark.sources.formats import readable
from recsys_spark.sources.read import read_source

MODES = ("auto", "full", "update", "rescore")
NEEDED = (
    "events",
    "interactions",
    "user_blocks",
    "boosts",
    "route_weights",
    *(name for name, contract in ALL_TABLES.items() if contract.learned),
)
"""Tables without which a release cannot be brought up to date."""
CHANGED = ("blocks", "boosts", "item_neighbours", "training_log")
"""Those of NEEDED that earlier versions made with other columns."""
LOOKS_AT_ALL = ("similar_users",)
"""Scorers whose rows of one user hang on what others did since."""


def with_base(job: Job) -> Job:
    """The same run with the release that it brings up to date; as it came where it learns anew.

    A run that was begun goes on as it was begun.

    Raises:
        SettingsError: an update was asked for, and there is something that speaks against it.
    """
    mode = getattr(job.arguments, "mode", "auto")
    begun = job.begun
    if begun is not None:
        base = release_of(job.lake, begun.get("base_run_id", ""))
        return _based(job, base, begun.get("mode") or mode) if base else job
    if mode == "full" or (mode == "auto" and job.settings.refresh.full_every_days is None):
        return job
    try:
        release = current_release(job.lake)
        against = _against(job, release)
        based = job if against else _based(job, release, mode)
        against = against or _of_wrong_time(based, release, mode)
    except NotFoundError as error:
        against = str(error)
    if against and mode != "auto":
        raise SettingsError(f"--mode {mode} needs a release to stand on: {against}")
    if against:
        log.info("a full refresh: %s", against)
        return job
    log.info("an update of release %s, with what was learned as of %s", release.run_id, based.ages_from)
    return based


def _based(job: Job, release: Release, mode: str) -> Job:
    return replace(job, base=Base(release, _learned_as_of(job, release), everyone=mode == "rescore"))


def _against(job: Job, release: Release) -> str:
    """Why the release cannot be brought up to date, in words; empty if it can."""
    missing = [name for name in NEEDED if name not in release.tables]
    if missing:
        return f"release {release.run_id} has no table {missing[0]}; an earlier version of this program made it"
    for name in CHANGED:
        try:
            release.read(job.lake, name)
        except ContractError:
            return f"release {release.run_id} has other columns of {name}; an earlier version of this program made it"
    if not same_learning(job.settings, release.settings):
        return f"the settings are others than those of release {release.run_id}"
    scorers = [name for name in LOOKS_AT_ALL if name in job.settings.blocks.enabled]
    if scorers:
        return f"the scorer {scorers[0]} compares every user with all others"
    cleaning = job.settings.cleaning
    if cleaning.fill_measures not in ("none", "drop", "constant") or cleaning.normalise_measures != "none":
        return "cleaning.fill_measures or normalise_measures make each row hang on all others"
    return ""


def _learned_as_of(job: Job, release: Release) -> datetime:
    """As-of time of the commit that wrote the weights; an update writes none.

    Raises:
        NotFoundError: Delta's history no longer holds that commit.
    """
    version = release.tables["route_weights"]
    written = dict(job.lake.commits("route_weights")).get(version)
    if written is None:
        raise NotFoundError(f"the history of table route_weights no longer says who wrote version {version}")
    return datetime.fromisoformat(written["as_of"])


def _as_of(job: Job) -> datetime:
    """The as-of time that was asked for, else the latest plausible one of the source."""
    if job.asked_as_of:
        return job.asked_as_of
    raw = hidden(job, read_source(job.spark, job.settings.source), keys_of_lake(job.lake, job.settings.privacy))
    with readable("the source"):
        return latest_plausible(raw.events)


def _of_wrong_time(job: Job, release: Release, mode: str) -> str:
    """Why the release is too late, or what was learned too old, in words; empty if neither is."""
    as_of, days = _as_of(job), job.settings.refresh.full_every_days
    if as_of < release.as_of:
        return f"release {release.run_id} is of a later time"
    # Compared as a number: a timedelta holds no days without end.
    if mode == "auto" and days is not None and (as_of - job.ages_from) / timedelta(days=1) >= days:
        return f"the last one is as of {job.ages_from}, and refresh.full_every_days is {days:g}"
    return ""

"""What readers may see: one row a release, naming the version of every table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.errors import AuditError, NotFoundError
from recsys_spark.lake.commit import Commit, place_of
from recsys_spark.lake.lake import Lake


@dataclass(frozen=True)
class Release:
    """One published refresh; ``tables`` maps names (``backtest/NAME`` for the other fold) to Delta versions."""

    run_id: str
    as_of: datetime
    state: str
    detail: str
    tables: Mapping[str, int]
    model_sha256: str
    settings_sha256: str
    settings: str
    metrics: Mapping[str, float]

    def read(self, lake: Lake, name: str) -> DataFrame:
        """A table as this release has it.

        Raises:
            NotFoundError: the release has no such table.
        """
        if name not in self.tables:
            raise NotFoundError(f"release {self.run_id} has no table {name}; it has {', '.join(sorted(self.tables))}")
        fold, plain = place_of(name)
        return lake.with_fold(fold).read(plain, self.tables[name])

    def require_files(self, lake: Lake) -> None:
        """Make sure that every table can be read, before readers are sent to this release.

        Raises:
            NotFoundError: a version, or some of its files, are gone.
        """
        for name, version in self.tables.items():
            fold, plain = place_of(name)
            lake.with_fold(fold).require_files(plain, version)


def publish(lake: Lake, release: Release, commit: Commit) -> None:
    """Make the release the one that readers see, in one commit."""
    lake.append("releases", _frame(lake, replace(release, state="published", detail="")), commit)


def refuse(lake: Lake, release: Release, commit: Commit, findings: Sequence[str]) -> None:
    """Record why the release is not published, and stop.

    Raises:
        AuditError: always; it lists the findings.
    """
    listed = "\n  ".join(findings)
    # Another transaction id than publishing, so that a mended run of the same name can still be published.
    refused = replace(commit, run_id=f"{commit.run_id}/refused")
    lake.append("releases", _frame(lake, replace(release, state="refused", detail=listed)), refused)
    raise AuditError(f"run {release.run_id} is not fit to be published; the last release stays:\n  {listed}")


def current_release(lake: Lake) -> Release:
    """The published release of the latest as-of time; of several, the one published last. Withdrawn ones do not count.

    Raises:
        NotFoundError: nothing was published yet.
    """
    return _standing(lake)[0]


def release_of(lake: Lake, run_id: str) -> Release | None:
    """The published release of that run, also one that was withdrawn later; if any."""
    full = lake.with_fold("full")
    if not full.exists("releases"):
        return None
    rows = full.read("releases").where(F.col("run_id") == run_id).where("state = 'published'").collect()
    return _release(rows[0]) if rows else None


def release_before(lake: Lake, as_of: datetime) -> Release | None:
    """The release that one of this as-of time follows: the latest that stands and is not of a later time; if any."""
    return next((release for release in _published(lake) if release.as_of <= as_of), None)


def roll_back(lake: Lake, to: str | None, commit: Commit) -> Release:
    """Withdraw, in one commit, every release that stands above an earlier one, so that readers see that one again.

    Args:
        lake: whose releases.
        to: run id of the release to return to; None is the one below the current one.
        commit: of the withdrawal.

    Returns:
        What readers see from now on.

    Raises:
        NotFoundError: there is no such standing release below the current one, or one of its tables is gone.
    """
    standing = _standing(lake)
    places = [n for n, release in enumerate(standing) if n and to in (None, release.run_id)]
    if not places:
        earlier = ", ".join(release.run_id for release in standing[1:]) or "none"
        asked = f"release {to}" if to else "a release"
        raise NotFoundError(f"{asked} to return to was not found; below {standing[0].run_id} there are: {earlier}")
    above, target = standing[: places[0]], standing[places[0]]
    target.require_files(lake)
    reason = f"rolled back to {target.run_id}"
    withdrawn = [_frame(lake, replace(release, state="withdrawn", detail=reason)) for release in above]
    lake.append("releases", reduce(DataFrame.unionByName, withdrawn), commit)
    return target


def supersede(lake: Lake, release: Release, versions: Mapping[str, int], commit: Commit) -> None:
    """Publish a release anew with other versions of some of its tables, and withdraw all that stand, in one commit.

    Args:
        lake: whose releases.
        release: what to publish, under the commit's run id.
        versions: table to its new version; the others stay.
        commit: whose repeat is skipped.
    """
    if lake.committed("releases", commit) is not None:
        return
    reason = f"superseded by {commit.run_id}, which removed the files of earlier versions"
    withdrawn = [_frame(lake, replace(one, state="withdrawn", detail=reason)) for one in _standing(lake)]
    tables = {name: versions.get(name, version) for name, version in release.tables.items()}
    renewed = replace(release, run_id=commit.run_id, state="published", detail="", tables=tables)
    lake.append("releases", reduce(DataFrame.unionByName, withdrawn, _frame(lake, renewed)), commit)


def _standing(lake: Lake) -> list[Release]:
    """As _published; at least one.

    Raises:
        NotFoundError: there is none.
    """
    if not lake.with_fold("full").exists("releases"):
        raise NotFoundError(f"there is no release in the lake at {lake.root}; run `recsys refresh` first")
    found = _published(lake)
    if not found:
        raise NotFoundError(f"no refresh of the lake at {lake.root} was fit to be published; table releases says why")
    return found


def _published(lake: Lake) -> list[Release]:
    """Published and not withdrawn, the current one first."""
    full = lake.with_fold("full")
    if not full.exists("releases"):
        return []
    order = {written["run_id"]: version for version, written in full.commits("releases")}
    rows = full.read("releases").where(F.col("state").isin("published", "withdrawn")).collect()
    withdrawn = {row["run_id"] for row in rows if row["state"] == "withdrawn"}
    standing = [row for row in rows if row["run_id"] not in withdrawn]
    standing.sort(key=lambda row: (row["as_of"], order.get(row["run_id"], -1)), reverse=True)
    return [_release(row) for row in standing]


def _release(row: Row) -> Release:
    # Spark hands timestamps to Python without a zone, in the machine's own.
    return Release(**{**row.asDict(), "as_of": row["as_of"].astimezone(UTC)})


def _frame(lake: Lake, release: Release) -> DataFrame:
    contract = table("releases")
    values = vars(release)
    return lake.spark.createDataFrame([tuple(values[name] for name in contract.columns)], spark_schema(contract))

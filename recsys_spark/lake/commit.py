"""What a checked write says of who wrote, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.contracts import Contract
from recsys_spark.errors import ConflictError, ContractError

_CONFLICT = re.compile(r"\[DELTA_(CONCURRENT|METADATA_CHANGED|PROTOCOL_CHANGED)")
"""Delta's word that another commit came first, in each kind of exception that Spark brings it in."""
_NULL_MARK = "null in a column that may hold none: "
NO_KEY = "none"


class OvertakenError(Exception):
    """Another driver changed a table's rows between the commits of one write."""


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
    mode: str = ""
    """``update`` or ``rescore`` where there is such a release."""
    kind: str = ""
    """``erasure`` in the commits of one; empty in all others."""
    follows: int | None = None
    """The version that added rows stand on; None where the commit says itself what the table holds."""


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


def refuse_nulls(contract: Contract, frame: DataFrame) -> DataFrame:
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
def faults_told(contract: Contract, commit: Commit) -> Iterator[None]:
    """Turn a failed write into words where they help.

    Raises:
        ConflictError, ContractError: see _known_fault.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError, OvertakenError) as error:
        known = _known_fault(contract, commit, error)
        if known is None:
            raise
        raise known from error


def _known_fault(contract: Contract, commit: Commit, error: Exception) -> ConflictError | ContractError | None:
    """What a failed write says, where it is something that a user can act on."""
    told = str(error)
    if isinstance(error, OvertakenError) or _CONFLICT.search(told):
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

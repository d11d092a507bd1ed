"""Counts of what cleaning did, and the check that no row was lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from recsys_spark.errors import AuditError, SourceError
from recsys_spark.events.duplicates import DUPLICATE
from recsys_spark.events.rules import REASONS

CHANGES = "_changes"
"""What cleaning changed in the row: ``capped:COLUMN`` or ``filled:COLUMN``."""

MANY_REFUSED = 0.05
"""Share of a table's rows beyond which a refusal looks like a mistake in the source or its mapping."""
REASONS_TOLD = 3

OUTCOMES = ("input", "clean", "quarantined", "duplicates")


def table_quality(name: str, judged: DataFrame) -> DataFrame:
    """The rows of data_quality of one judged table; the four outcomes are there even if they count 0."""
    # Rows fall into few combinations of outcome, reasons and changes: counting those first leaves little to explode.
    combinations = judged.groupBy(REASONS, DUPLICATE, CHANGES).agg(F.count("*").alias("row_count"))
    measures = combinations.select(F.explode(_measures()).alias("measure"), "row_count")
    outcomes = judged.sparkSession.createDataFrame([(m, 0) for m in OUTCOMES], "measure string, row_count bigint")
    return (
        measures.unionByName(outcomes)
        .groupBy("measure")
        .agg(F.sum("row_count").alias("row_count"))
        .select(F.lit(name).alias("source_table"), "measure", "row_count")
    )


def check_balance(rows: Iterable[Row]) -> None:
    """Input rows must be clean, quarantined or duplicates, for each table.

    Args:
        rows: the rows of data_quality; a bounded number.

    Raises:
        AuditError: the counts do not add up.
    """
    for name, count in _by_table(rows).items():
        expected = count["clean"] + count["quarantined"] + count["duplicates"]
        if count["input"] != expected:
            raise AuditError(
                f"table {name}: found {count['input']} input rows, expected {expected} "
                f"(clean {count['clean']} + quarantined {count['quarantined']} + duplicates {count['duplicates']}). "
                "The source changed while it was read, or cleaning lost rows; run ingest again on a fixed source."
            )


def require_events(rows: Iterable[Row]) -> None:
    """Some events must be left.

    Raises:
        SourceError: no event is clean; the message counts the reasons.
    """
    _require_clean("events", _by_table(rows)["events"])


def require_masters(rows: Iterable[Row]) -> None:
    """Where there are rows of users or items, some of them must be left.

    Raises:
        SourceError: none is clean; the message counts the reasons.
    """
    counts = _by_table(rows)
    for name in ("users", "items"):
        if counts[name]["input"]:
            _require_clean(name, counts[name])


def refusals(rows: Iterable[Row], expected: Collection[str] = ()) -> list[str]:
    """One line for each table of which more than MANY_REFUSED of the rows were refused, with the commonest reasons.

    Args:
        rows: data_quality.
        expected: reasons that tell of nothing wrong; rows that have one of them do not count.
    """
    lines = []
    for name, count in sorted(_by_table(rows).items()):
        reasons = _reasons(count)
        as_expected = min(sum(reasons.pop(reason, 0) for reason in expected), count["quarantined"])
        refused, read = count["quarantined"] - as_expected, count["input"] - as_expected
        if refused > MANY_REFUSED * read:
            most = sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))[:REASONS_TOLD]
            told = ", ".join(f"{reason} {n}" for reason, n in most)
            lines.append(
                f"table {name}: {refused} of {read} input rows ({refused / read:.0%}) were refused, "
                f"most of them for: {told}; look at the table quarantine"
            )
    return lines


def _require_clean(name: str, count: Mapping[str, int]) -> None:
    if count["clean"]:
        return
    reasons = [f"{reason} {n}" for reason, n in sorted(_reasons(count).items())]
    raise SourceError(
        f"table {name}: none of {count['input']} input rows is usable; refused for: {', '.join(reasons)}. "
        "Nothing was written; mend the source, its column mapping or the settings under cleaning."
    )


def _reasons(count: Mapping[str, int]) -> dict[str, int]:
    return {m.removeprefix("reason:"): n for m, n in count.items() if m.startswith("reason:")}


def _measures() -> Column:
    outcome = (
        F.when(F.size(REASONS) > 0, F.lit("quarantined"))
        .when(F.col(DUPLICATE), F.lit("duplicates"))
        .otherwise(F.lit("clean"))
    )
    reasons = F.transform(REASONS, lambda reason: F.concat(F.lit("reason:"), reason))
    # What was changed in a row that is not kept is of no interest.
    changes = F.when(outcome == "clean", F.col(CHANGES)).otherwise(F.array().cast("array<string>"))
    return F.concat(F.array(F.lit("input"), outcome), reasons, changes)


def _by_table(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        found[row["source_table"]][row["measure"]] += row["row_count"]
    return found

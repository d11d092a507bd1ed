"""A small shop's events as files of text, and what cleaning makes of files: rows, counts and refused rows."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from recsys_spark.config.describing import CleaningSettings
from recsys_spark.config.source import SourceSettings
from recsys_spark.events.clean import check_balance, judge, settle
from recsys_spark.sources.files import read_files

COLUMNS = ("user_id", "item_id", "event_type", "ts", "quantity", "price")
START = datetime(2024, 1, 1, tzinfo=UTC)
AS_OF = datetime(2024, 6, 1, tzinfo=UTC)


def sales(count: int) -> list[dict[str, str]]:
    """So many different events over ninety days, always the same ones."""
    draw = random.Random(7)
    return [
        {
            "user_id": f"u{draw.randrange(12)}",
            "item_id": f"i{draw.randrange(30)}",
            "event_type": draw.choice(["view", "cart", "purchase"]),
            "ts": (START + timedelta(seconds=n * 90 * 86400 // count)).isoformat(),
            "quantity": str(draw.randrange(1, 4)),
            "price": f"{draw.uniform(1, 90):.2f}",
        }
        for n in range(count)
    ]


def csv_bytes(rows: Iterable[dict[str, str]]) -> bytes:
    """A CSV file with a header."""
    lines = [",".join(COLUMNS), *(",".join(row[c] for c in COLUMNS) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def json_bytes(rows: Iterable[dict[str, str]]) -> bytes:
    """A file of JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def shuffled_files(folder: Path, rows: Sequence[dict[str, str]], files: int = 3, seed: int = 0) -> Path:
    """The rows in another order, dealt out to several CSV files."""
    folder.mkdir()
    mixed = random.Random(seed).sample(rows, len(rows))
    for n in range(files):
        (folder / f"part-{n}.csv").write_bytes(csv_bytes(mixed[n::files]))
    return folder


@dataclass(frozen=True)
class Ingested:
    """What became of the events of a folder."""

    events: list[str]
    """The clean events as JSON, sorted: equal events, equal lists."""
    counts: dict[str, int]
    """Measure to count, for the source table events."""
    refused: dict[str, list[tuple[str, ...]]]
    """File name to the reasons of each row that was refused from it."""


def ingested(spark: SparkSession, folder: Path, form: str = "csv", as_of: datetime = AS_OF) -> Ingested:
    """Read, judge and settle the files of a folder; the balance of the counts is checked."""
    raw = read_files(spark, SourceSettings(kind="files", events={"path": str(folder), "format": form}))
    cleaned = settle(judge(raw.events, raw.users, raw.items, as_of, CleaningSettings()))
    quality = cleaned.data_quality.collect()
    check_balance(quality)
    refused: dict[str, list[tuple[str, ...]]] = {}
    for row in cleaned.quarantine.where("source_table = 'events'").collect():
        refused.setdefault(row["source_file"].rsplit("/", 1)[1], []).append(tuple(row["reasons"]))
    return Ingested(
        events=content(cleaned.events),
        counts={r["measure"]: r["row_count"] for r in quality if r["source_table"] == "events"},
        refused={name: sorted(reasons) for name, reasons in refused.items()},
    )


def content(frame: DataFrame) -> list[str]:
    """The rows as JSON, sorted."""
    return sorted(frame.toJSON().collect())

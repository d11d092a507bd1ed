"""A small lake that holds a user everywhere a user can be, and a search for the user's bytes in all of its files."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from recsys_spark.contracts import ALL_TABLES, table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.lake import Commit, Lake, Release, publish
from tests.conftest import at
from tests.frames import local_frame

GONE, STAYS = "zx-forget-me-4711", "keep-me-0815"
JULY, AUGUST = "july", "august"
SOME = ("events", "quarantine", "user_profiles", "tower_vectors")
"""Each way in which a table can hold a user."""
ALL = tuple(name for name, contract in ALL_TABLES.items() if contract.about_users)


def rows_of(name: str) -> list[dict]:
    """One row of each user; ids in quarantine are a JSON text and a line that did not parse."""
    if name == "quarantine":
        raw = json.dumps({"user_id": GONE, "price": "free"}), f'"{STAYS};2024-01-01', f"2024;{GONE};;"
        return [{"source_table": "events", "raw_row": text, "reasons": ["price_unparsable"]} for text in raw]
    contract, users = table(name), (STAYS, GONE)
    if contract.personal("id"):
        positions = [{"user_idx": n} if "user_idx" in contract.columns else {} for n in range(2)]
        events = [{"event_id": f"e-{user}", "session_id": f"s-{user}"} if name == "events" else {} for user in users]
        return [{"user_id": user, **p, **e} for user, p, e in zip(users, positions, events, strict=True)]
    if name == "tower_vectors":
        return [{"side": side, "idx": n, "vector": [n + 0.5]} for side in ("user", "item") for n in range(2)]
    return [{"user_idx": n} for n in range(2)]


def build(spark: SparkSession, root: Path, names: tuple[str, ...] = SOME, folds: tuple[str, ...] = ("full",)) -> Lake:
    """A lake of two releases, whose first versions have statistics in their log, and a run that has not published."""
    lake = Lake(spark, str(root))
    for run_id, day in ((JULY, 1), (AUGUST, 2)):
        commit, tables = Commit(run_id, "full", f"2024-08-0{day}T00:00:00+00:00", "s"), {}
        for fold in folds:
            for name in names:
                frame = local_frame(spark, [table(name).row_of(**r) for r in rows_of(name)], spark_schema(table(name)))
                folded = lake.with_fold(fold)
                if run_id == JULY:  # as another tool, or an older version of this one, would have made it
                    told = json.dumps(vars(replace(commit, fold=fold)))
                    frame.coalesce(1).write.format("delta").option("userMetadata", told).save(folded.path(name))
                    version = 0
                else:
                    version = folded.overwrite(name, frame.coalesce(1), replace(commit, fold=fold))
                tables[name if fold == "full" else f"{fold}/{name}"] = version
        publish(lake, Release(run_id, at(f"2024-08-0{day}"), "", "", tables, "m", "s", "{}", {}), commit)
    half = local_frame(spark, [table("events").row_of(user_id=GONE)], spark_schema(table("events")))
    lake.overwrite("events", half.coalesce(1), Commit("half-done", "full", "2024-08-03T00:00:00+00:00", "s"))
    return lake


def files_with(root: Path, text: str) -> list[str]:
    """Every file below the folder that holds the text: in its name, its bytes, or the values of its Parquet columns.

    Parquet pages are compressed and encoded, so that raw bytes alone would miss what they hold; files that no table
    refers to any more are looked into like all others. Files may come and go meanwhile.
    """
    found = sorted(Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    return [str(path.relative_to(root)) for path in found if text in str(path) or _holds(path, text)]


def _holds(path: Path, text: str) -> bool:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    encoded = text.encode(), text.encode("utf-16-le"), base64.b64encode(text.encode()).rstrip(b"=")[:-1]
    if any(one in content for one in encoded):
        return True
    whole = content.startswith(b"PAR1") and content.endswith(b"PAR1") and len(content) > 8
    return whole and any(text in value for value in _texts(content))


def _texts(content: bytes) -> Iterator[str]:
    with pq.ParquetFile(BytesIO(content)) as file:
        yield str(file.metadata) + str(file.schema_arrow.metadata)
        for group in range(file.num_row_groups):
            yield from map(str, file.read_row_group(group).to_pylist())
            columns = [file.metadata.row_group(group).column(n) for n in range(file.metadata.num_columns)]
            yield from (str(column.statistics) for column in columns)

"""A bounded sample of one file's rows, and what its columns look like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from recsys_spark.config.source import TableSource
from recsys_spark.contracts.raw import SOURCE_FILE, UNPARSED
from recsys_spark.errors import SourceError
from recsys_spark.sources.folder import first_names
from recsys_spark.sources.formats import read_table, readable

ROWS = 2_000
NAMES = 1_000
"""Files of a folder whose names are looked at."""
FileFormat = Literal["parquet", "csv", "jsonl", "delta"]
ENDINGS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}

FEW_VALUES = 20
"""A numeric column of at most this many values in the sample is a code rather than a measure."""


@dataclass(frozen=True)
class ColumnSample:
    """What the sample says of one column."""

    name: str
    is_list: bool
    is_scalar: bool
    is_number: bool
    values: tuple[str, ...]
    """The values that are there, as text."""
    is_text: bool = True
    """Whether the source itself has them as text."""

    @property
    def distinct(self) -> int:
        """Number of different values in the sample."""
        return len(set(self.values))

    @property
    def is_measure(self) -> bool:
        """Whether it counts or weighs something."""
        return self.is_number and self.distinct > FEW_VALUES

    @property
    def is_category(self) -> bool:
        """Whether values repeat, so that rows can be alike in it."""
        return self.is_list or 0 < self.distinct <= max(FEW_VALUES, len(self.values) // 2)


@dataclass(frozen=True)
class FileSample:
    """One input file or folder."""

    path: str
    format: FileFormat
    rows: int
    columns: tuple[ColumnSample, ...]
    frame: DataFrame
    """All rows, lazily."""

    @property
    def names(self) -> list[str]:
        """Column names in the file's order."""
        return [c.name for c in self.columns]

    def column(self, name: str) -> ColumnSample:
        """The column of that name."""
        return next(c for c in self.columns if c.name == name)


def look(spark: SparkSession, table: str, path: str) -> FileSample:
    """Read the schema and the first rows.

    Raises:
        SourceError: nothing readable is there.
    """
    file_format = format_of(spark, path)
    frame = read_table(spark, table, TableSource(path=path, format=file_format)).drop(SOURCE_FILE, UNPARSED)
    with readable(f"table {table}: {path}"):
        rows = frame.limit(ROWS).collect()
    columns = [_sampled(f, [r[i] for r in rows]) for i, f in enumerate(frame.schema.fields)]
    return FileSample(path, file_format, len(rows), tuple(columns), frame)


def format_of(spark: SparkSession, path: str) -> FileFormat:
    """The format by the name's ending, as in events/2024-*.csv.gz; else Delta if there is its log.

    Else by the endings of the first files there, and Parquet where they have none of ours.

    Raises:
        SourceError: the files have several formats.
    """
    named = _by_ending(path)
    if named is None and DeltaTable.isDeltaTable(spark, path):
        return "delta"
    formats = {named} if named else {_by_ending(name) for name in first_names(spark, path, NAMES)} - {None}
    if len(formats) > 1:
        listed = " and ".join(sorted(str(f) for f in formats))
        raise SourceError(f"{path} holds files of {listed}; name those of one format, as in {path}/*.csv.")
    return next((f for f in formats if f), "parquet")


def _by_ending(name: str) -> FileFormat | None:
    return next((ENDINGS[e.lower()] for e in PurePosixPath(name).suffixes if e.lower() in ENDINGS), None)


def _sampled(field: T.StructField, values: list[object]) -> ColumnSample:
    texts = tuple(str(v).strip() for v in values if v is not None and str(v).strip())
    is_list = isinstance(field.dataType, T.ArrayType)
    nested = isinstance(field.dataType, T.ArrayType | T.StructType | T.MapType)
    numeric = isinstance(field.dataType, T.NumericType) or (
        isinstance(field.dataType, T.StringType) and bool(texts) and all(is_number(t) for t in texts)
    )
    return ColumnSample(field.name, is_list, not nested, numeric, texts, isinstance(field.dataType, T.StringType))


def is_number(text: str) -> bool:
    """Whether Spark reads it as one, too, which takes no 2023_01 for 202301 as Python does."""
    if "_" in text:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True

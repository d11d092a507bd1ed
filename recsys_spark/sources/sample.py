"""A bounded sample of one file's rows, and what its columns look like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from recsys_spark.config.source import TableSource
from recsys_spark.contracts.raw import SOURCE_FILE, UNPARSED
from recsys_spark.sources.formats import read_table, readable

ROWS = 2_000
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

ISO_DATE = re.compile(r"\d{4}-")
"""How text begins that cleaning reads without a pattern."""
TIME_PATTERNS = {
    "%Y/%m/%d %H:%M:%S": "yyyy/M/d H:m:s",
    "%Y/%m/%d": "yyyy/M/d",
    "%d/%m/%Y %H:%M:%S": "d/M/yyyy H:m:s",
    "%d/%m/%Y %H:%M": "d/M/yyyy H:m",
    "%d/%m/%Y": "d/M/yyyy",
    "%m/%d/%Y %H:%M:%S": "M/d/yyyy H:m:s",
    "%m/%d/%Y %H:%M": "M/d/yyyy H:m",
    "%m/%d/%Y": "M/d/yyyy",
    "%d.%m.%Y %H:%M": "d.M.yyyy H:m",
    "%d.%m.%Y": "d.M.yyyy",
    "%Y%m%d": "yyyyMMdd",
}
"""Python's pattern to Spark's; where a sample fits several, the first one counts.

Python takes one digit or two everywhere, Spark only where its pattern has one letter.
"""


@dataclass(frozen=True)
class ColumnSample:
    """What the sample says of one column."""

    name: str
    is_list: bool
    is_scalar: bool
    is_number: bool
    values: tuple[str, ...]
    """The values that are there, as text."""

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
    return FileSample(path, file_format, len(rows), tuple(columns))


def format_of(spark: SparkSession, path: str) -> FileFormat:
    """The format by the name's ending, as in events/2024-*.csv.gz; else Delta if there is its log, else Parquet."""
    for ending in PurePosixPath(path).suffixes:
        if ending in ENDINGS:
            return ENDINGS[ending]
    return "delta" if DeltaTable.isDeltaTable(spark, path) else "parquet"


def time_pattern(column: ColumnSample) -> str | None:
    """Spark's pattern for times that are not ISO 8601; None if none is needed or none of ours fits.

    Days as numbers, such as 20240131, need one as well: cleaning takes numbers for seconds since 1970.
    """
    is_iso = all(ISO_DATE.match(value) for value in column.values) and _all_parse(column.values, None)
    if not column.values or is_iso:
        return None
    return next((spark for python, spark in TIME_PATTERNS.items() if _all_parse(column.values, python)), None)


def _all_parse(values: tuple[str, ...], pattern: str | None) -> bool:
    try:
        for value in values:
            _ = datetime.fromisoformat(value) if pattern is None else datetime.strptime(value, pattern)
    except ValueError:
        return False
    return True


def _sampled(field: T.StructField, values: list[object]) -> ColumnSample:
    texts = tuple(str(v).strip() for v in values if v is not None and str(v).strip())
    is_list = isinstance(field.dataType, T.ArrayType)
    nested = isinstance(field.dataType, T.ArrayType | T.StructType | T.MapType)
    is_number = isinstance(field.dataType, T.NumericType) or (
        isinstance(field.dataType, T.StringType) and bool(texts) and all(_is_number(t) for t in texts)
    )
    return ColumnSample(field.name, is_list, not nested, is_number, texts)


def _is_number(text: str) -> bool:
    """Whether Spark reads it as one, too, which takes no 2023_01 for 202301 as Python does."""
    if "_" in text:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True

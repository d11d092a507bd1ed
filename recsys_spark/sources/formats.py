"""Files of each format as frames of source columns, with each row's file and the text of rows that do not parse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recsys_spark.config.source import TableSource
from recsys_spark.contracts.raw import SOURCE_FILE, UNPARSED
from recsys_spark.errors import SourceError
from recsys_spark.sources.nanoseconds import AS_BIGINT, as_timestamps, nanosecond_columns, without_nanoseconds
from recsys_spark.sources.raw import column_of
from recsys_spark.storage import located

UNREADABLE = re.compile(
    r"\[(FAILED_READ_FILE|CANNOT_READ_FILE_FOOTER|CANNOT_MERGE_SCHEMAS|FAILED_MERGE_SCHEMA|PARQUET_TYPE_\w+).*"
)
"""Spark's line about a file that it could not read, wherever in the chain of causes it is."""
NAMELESS = ""
"""The name of a column of CSV that has none; nothing can be mapped from it."""
NEVER_EMPTY = ("parquet", "csv")
"""Formats whose files have a footer or a header even without rows; Spark itself writes empty files of JSON lines."""
DATABASE = re.compile(r"(?:PSQLException|java\.sql\.SQL\w*Exception): ([^\n]*)")
"""A database driver's line about what it was refused."""


def read_table(spark: SparkSession, name: str, source: TableSource) -> DataFrame:
    """The source's columns, SOURCE_FILE and UNPARSED (null but for text rows that do not parse).

    Args:
        spark: the session.
        name: events, users or items; for messages.
        source: where the files are and how they are written. CSV needs a header line in each file and holds no line
            breaks within a value; quotes are doubled.

    Raises:
        SourceError: nothing is there, it is empty, a file of it is, it cannot be read, or a column has a name of ours.
    """
    read = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}.get(source.format, _typed)
    with readable(f"table {name}: {source.path}"):
        frame = read(spark, source)
        if source.format in NEVER_EMPTY:
            _refuse_zero_bytes(frame, name, source)
        require_rows(frame, f"table {name}: {source.path}", f"source.{name}.path and source.{name}.format")
    return frame


def require_rows(frame: DataFrame, what: str, check: str) -> None:
    """Stop at a table without rows; ``check`` names the settings to look at.

    Raises:
        SourceError: there is no row.
    """
    if not frame.columns or frame.isEmpty():
        raise SourceError(f"{what} holds no rows; expected at least one. Check {check}.")


def _refuse_zero_bytes(frame: DataFrame, name: str, source: TableSource) -> None:
    """Spark passes over files of zero bytes, and with them over whatever an upload that failed did not bring."""
    files = _files(frame)
    spark = frame.sparkSession
    if len(files) > spark.read.format("binaryFile").load(source.path).count():
        empty = next((file for file in sorted(files) if _bytes_of(spark, file) == 0), None)
        if empty:
            raise SourceError(
                f"table {name}: {empty} has zero bytes; no {source.format} file has. Restore or remove it."
            )


def _files(frame: DataFrame) -> list[str]:
    return [file for file in frame.inputFiles() if not _is_hidden(file)]


def _is_hidden(uri: str) -> bool:
    """Whether Spark reads no rows from it, as from the summaries that some writers leave (_metadata)."""
    name = uri.rpartition("/")[2]
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _bytes_of(spark: SparkSession, uri: str) -> int:
    storage, path = located(spark, unquote(uri))
    return int(storage.getFileStatus(path).getLen())


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn Spark's failure to find or read a file, or a database's refusal, into one message.

    Sources are read when tables are written, so that a job holds its writes inside this, too.

    Raises:
        SourceError: a file is missing, broken or of another format, or the database cannot be asked.
    """
    try:
        yield
    except AnalysisException as error:
        raise SourceError(
            f"{what} cannot be read: {_first_line(error)} Check that the path or column exists and that files have "
            "the format that the settings name (parquet, csv, jsonl or delta)."
        ) from error
    except (PySparkException, Py4JJavaError) as error:  # what fails on an executor comes as the latter
        refused = DATABASE.search(str(error))
        if refused:
            raise SourceError(
                f"{what} cannot be read; the database's driver says: {refused[1]} "
                "Check url, user, password and table under source.jdbc, and that the database answers."
            ) from error
        if "ClassNotFoundException" in str(error) and "Driver" in str(error):
            raise SourceError(
                f"{what} cannot be read: this Spark has no driver for the database. Give it the jar: spark-submit "
                "--jars DRIVER.jar, a library of the cluster, or spark.jars under spark.extra."
            ) from error
        found = UNREADABLE.search(str(error))
        if found is None:
            raise
        raise SourceError(
            f"{what} holds a file that cannot be read: {found[0]} "
            "Restore or remove the file, or correct the format in the settings."
        ) from error


def _reader(spark: SparkSession) -> DataFrameReader:
    """A reader that stops at a broken file, whatever the cluster's own settings say."""
    return spark.read.option("ignoreCorruptFiles", False).option("ignoreMissingFiles", False)


def _typed(spark: SparkSession, source: TableSource) -> DataFrame:
    return _own(_reader(spark).format(source.format).load(source.path), source)


def _parquet(spark: SparkSession, source: TableSource) -> DataFrame:
    whole = without_nanoseconds(spark, lambda: _reader(spark).parquet(source.path))
    if whole is not None:
        return _own(whole, source)
    # Left on, since files are opened when somebody asks for rows.
    spark.conf.set(AS_BIGINT, True)
    frame = _reader(spark).parquet(source.path)
    columns = nanosecond_columns(frame, _files(frame))
    if columns:
        # A file with another unit would be read as if it had this one; comparing all footers finds it.
        _reader(spark).option("mergeSchema", True).parquet(source.path)
    return _own(as_timestamps(frame, columns), source)


def _own(frame: DataFrame, source: TableSource) -> DataFrame:
    """The columns of files that never hold a row that does not parse."""
    _refuse_own_names(frame.columns, source)
    return _with_origin(frame, F.lit(None).cast("string"))


def _csv(spark: SparkSession, source: TableSource) -> DataFrame:
    # Everything is text at first: a value of another type is a matter for cleaning, not for the reader.
    reader = _reader(spark).option("escape", '"').option("mode", "PERMISSIVE")
    names = _header(reader.csv(source.path), source)
    _refuse_own_names(names, source)
    schema = T.StructType([T.StructField(n, T.StringType()) for n in [*names, UNPARSED]])
    # Files whose header differs would otherwise be read by position into the wrong columns.
    reader = reader.option("header", True).option("enforceSchema", False).option("columnNameOfCorruptRecord", UNPARSED)
    return _with_origin(reader.schema(schema).csv(source.path), F.col(UNPARSED))


def _header(lines: DataFrame, source: TableSource) -> list[str]:
    """The names in the first line, as they stand there; one may be empty, as that of the index that pandas writes.

    Spark adds the columns that folders name (day=2024-01-31) itself, after those of the files.

    Raises:
        SourceError: two columns have one name, or none.
    """
    within = [c for _, c in takewhile(lambda pair: pair[1] == f"_c{pair[0]}", enumerate(lines.columns))]
    folders = {c.lower() for c in lines.columns[len(within) :]}
    first = lines.select(*within).first() if within else None
    names = [name or NAMELESS for name in first or ()]
    seen: set[str] = set()
    for place, name in enumerate(names, 1):
        if name.lower() in folders | seen:
            called = f"the name {name}" if name else "no name"
            other = "folders of it have" if name.lower() in folders else "another has before it"
            raise SourceError(f"{source.path}: column {place} has {called}, as {other}. Rename it.")
        seen.add(name.lower())
    return names


def _jsonl(spark: SparkSession, source: TableSource) -> DataFrame:
    reader = _reader(spark).option("primitivesAsString", True).option("columnNameOfCorruptRecord", UNPARSED)
    # Spark itself adds UNPARSED where a line does not parse.
    fields = [f for f in reader.json(source.path).schema.fields if f.name != UNPARSED]
    _refuse_own_names([f.name for f in fields], source)
    schema = T.StructType([*fields, T.StructField(UNPARSED, T.StringType())])
    return _with_origin(reader.schema(schema).json(source.path), F.col(UNPARSED))


def _refuse_own_names(names: Sequence[str], source: TableSource) -> None:
    """Stop at columns of the source that have the names of those which reading adds."""
    taken = sorted({SOURCE_FILE, UNPARSED} & {name.lower() for name in names})
    if taken:
        raise SourceError(f"{source.path} has the column {taken[0]}, a name that reading uses itself. Rename it.")


def _with_origin(frame: DataFrame, unparsed: Column) -> DataFrame:
    own = [column_of(c) for c in frame.columns if c not in (UNPARSED, NAMELESS)]
    return frame.select(*own, F.col("_metadata.file_path").alias(SOURCE_FILE), unparsed.alias(UNPARSED))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]

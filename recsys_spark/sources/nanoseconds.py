"""Parquet files with times in nanoseconds, as pandas writes them. Spark has no such type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.errors import SourceError
from recsys_spark.sources.raw import column_of
from recsys_spark.storage import located

AS_BIGINT = "spark.sql.legacy.parquet.nanosAsLong"
"""Spark's setting by which it reads nanoseconds as bigint; it is asked for again whenever a file is opened."""
NANOSECONDS = "TIMESTAMP(NANOS"


def without_nanoseconds(spark: SparkSession, read: Callable[[], DataFrame]) -> DataFrame | None:
    """What is read; None where Spark refuses the columns for their nanoseconds. Only then are footers opened here."""
    before = spark.conf.get(AS_BIGINT, "false")
    spark.conf.set(AS_BIGINT, False)
    try:
        return read()
    except (PySparkException, Py4JJavaError) as error:
        if "PARQUET_TYPE_ILLEGAL" not in str(error) or NANOSECONDS not in str(error):
            raise
        return None
    finally:
        spark.conf.set(AS_BIGINT, str(before))


def nanosecond_columns(frame: DataFrame, files: Sequence[str]) -> list[str]:
    """Columns that a footer of the files calls times in nanoseconds and the frame has as bigint.

    Raises:
        SourceError: the footer cannot be read.
    """
    candidates = {name for name, kind in frame.dtypes if kind == "bigint"}
    if not candidates or not files:
        return []
    return [name for name in _in_nanoseconds(frame.sparkSession, min(files)) if name in candidates]


def as_timestamps(frame: DataFrame, columns: Sequence[str]) -> DataFrame:
    """The frame with nanoseconds since 1970 as timestamps; what is below a microsecond is cut off."""
    # Not /, whose doubles hold no more than 53 bits.
    micros = {name: F.call_function("div", column_of(name), F.lit(1_000)) for name in columns}
    return frame.withColumns({name: F.timestamp_micros(value) for name, value in micros.items()})


def _in_nanoseconds(spark: SparkSession, uri: str) -> list[str]:
    _, path = located(spark, unquote(uri))
    context = spark.sparkContext
    hadoop = context._jvm.org.apache.parquet.hadoop  # type: ignore[union-attr]
    try:
        file = hadoop.util.HadoopInputFile.fromPath(path, context._jsc.hadoopConfiguration())
        reader = hadoop.ParquetFileReader.open(file)
    except Py4JJavaError as error:
        cause = str(error.java_exception).splitlines()[0]
        raise SourceError(f"{uri} cannot be read: {cause} Restore or remove the file.") from error
    try:
        fields = reader.getFileMetaData().getSchema().getFields()
        return [f.getName() for f in fields if str(f.getLogicalTypeAnnotation()).startswith(NANOSECONDS)]
    finally:
        reader.close()

"""Tables as plain files, for tools that know no Delta."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import SourceError
from recsys_spark.storage import located

FORMATS = ("parquet", "csv", "json")
# A quote inside a value is doubled, as RFC 4180 has it; Spark's own default is a backslash, which few tools read. Spark
# would also cut white space off the ends of values, line breaks among it.
OPTIONS = {
    "csv": {
        "header": "true",
        "escape": '"',
        "ignoreLeadingWhiteSpace": "false",
        "ignoreTrailingWhiteSpace": "false",
    }
}


def nested_as_text(frame: DataFrame) -> DataFrame:
    """Maps and arrays as JSON text, for formats that have no such columns."""
    nested = {name for name, kind in frame.dtypes if kind.startswith(("map<", "array<"))}
    return frame.select(*[F.to_json(name).alias(name) if name in nested else F.col(name) for name in frame.columns])


def write_files(frame: DataFrame, form: str, out: str) -> None:
    """Write the frame as a folder of files, which pandas and Spark read as one table.

    An earlier export in its place is replaced, anything else is left alone.

    Args:
        frame: what to write.
        form: parquet, csv (with a header; maps and arrays as JSON text) or json (one object a line).
        out: folder, local or any URI that Spark's Hadoop file systems know.

    Raises:
        SourceError: there is something at ``out`` that no export has written.
    """
    files, path = located(frame.sparkSession, out)
    if files.exists(path) and not files.exists(path.suffix("/_SUCCESS")):
        raise SourceError(f"{out} exists and is no earlier export (it holds no _SUCCESS); remove it or choose --out")
    flat = nested_as_text(frame) if form == "csv" else frame
    flat.write.format(form).mode("overwrite").options(**OPTIONS.get(form, {})).save(out)

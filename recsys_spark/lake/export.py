"""Tables as plain files, for tools that know no Delta."""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import SourceError
from recsys_spark.storage import located

FORMATS = ("parquet", "csv", "json")
MARKER = "_recsys_export.json"
"""File in a folder that an export wrote; whoever reads the folder as a table passes over it, for its first letter."""
WRITING = "_recsys_writing"
"""Folder within, passed over likewise, in which an export is written before it takes its place."""
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

    An earlier export in its place is replaced when the new one is complete, anything else is left alone. What an
    export that was killed has left is replaced as well. The folder itself stays: it may be where a volume is mounted.

    Args:
        frame: what to write.
        form: parquet, csv (with a header; maps and arrays as JSON text) or json (one object a line).
        out: folder, local or any URI that Spark's Hadoop file systems know.

    Raises:
        SourceError: there is something at ``out`` that no export has written, or the export could not take its place.
    """
    files, path = located(frame.sparkSession, out)
    _require_replaceable(files, path, out)
    writing = path.suffix(f"/{WRITING}")
    flat = nested_as_text(frame) if form == "csv" else frame
    flat.write.format(form).mode("overwrite").options(**OPTIONS.get(form, {})).save(writing.toString())
    for earlier in _within(files, path):
        if earlier != WRITING:
            files.delete(path.suffix(f"/{earlier}"), True)
    for made in sorted(_within(files, writing), key=lambda name: (name == "_SUCCESS", name)):
        if not files.rename(writing.suffix(f"/{made}"), path.suffix(f"/{made}")):
            raise SourceError(f"the export is complete at {writing.toString()}, but could not be moved to {out}")
    marker = files.create(path.suffix(f"/{MARKER}"), True)
    marker.write(bytearray(json.dumps({"format": form}), "utf-8"))
    marker.close()
    files.delete(writing, True)


def _within(files: Any, path: Any) -> list[str]:
    return [found.getPath().getName() for found in files.listStatus(path)]


def _require_replaceable(files: Any, path: Any, out: str) -> None:
    """See that nothing is at a path but an earlier export, an empty folder, or what a killed writer left in one."""
    if not files.exists(path) or any(files.exists(path.suffix(f"/{own}")) for own in (MARKER, WRITING)):
        return
    is_folder = files.getFileStatus(path).isDirectory()
    if not is_folder or any(name != "_temporary" for name in _within(files, path)):
        raise SourceError(
            f"{out} exists and is no earlier export: it holds no {MARKER}. Choose another --out, or remove it first, "
            "if it is an export that was made before exports held that file"
        )

"""Files wherever they lie: local, or behind any URI that Spark's Hadoop file systems know."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from recsys_spark.errors import PrerequisiteError


def located(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    """The Hadoop file system of a path, and the path as it takes it, absolute."""
    context = spark.sparkContext
    path = context._jvm.org.apache.hadoop.fs.Path(uri)  # type: ignore[union-attr]
    files = path.getFileSystem(context._jsc.hadoopConfiguration())
    return files, files.makeQualified(path)


def first_line(spark: SparkSession, uri: str) -> str | None:
    """The first line of a text file in UTF-8; None if there is no such file, or nothing in it."""
    files, path = located(spark, uri)
    if not files.exists(path):
        return None
    java = spark.sparkContext._jvm.java.io  # type: ignore[union-attr]
    reader = java.BufferedReader(java.InputStreamReader(files.open(path), "UTF-8"))
    try:
        return reader.readLine()
    finally:
        reader.close()


def private_folder(folder: Path) -> Path:
    """A folder of this machine that no other user can look into; it is made where there is none.

    Raises:
        PrerequisiteError: it is another user's, or no folder.
    """
    if not os.path.lexists(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()  # a link may lead anywhere
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PrerequisiteError(
            f"{folder} is another user's, or no folder, so nothing is kept there; remove it, or let TMPDIR name "
            "another place for temporary files"
        )
    folder.chmod(0o700)
    return folder


def fetch(spark: SparkSession, uris: Sequence[str], folder: Path) -> list[Path]:
    """Copy files to a folder of this machine, each under its own name; one that is there in its length stays."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for uri in uris:
        files, path = located(spark, uri)
        copy = folder / path.getName()
        if not copy.exists() or copy.stat().st_size != files.getFileStatus(path).getLen():
            files.copyToLocalFile(False, path, located(spark, f"file://{copy}")[1], True)  # True: no checksum beside it
        copies.append(copy)
    return copies


def put(spark: SparkSession, folder: Path, uri: str) -> None:
    """Copy a folder of this machine to a URI, in the place of what is there."""
    remove(spark, uri)
    files, path = located(spark, uri)
    files.copyFromLocalFile(False, True, located(spark, f"file://{folder}")[1], path)


def remove(spark: SparkSession, uri: str) -> None:
    """Remove a folder and all that is in it, if there is one."""
    files, path = located(spark, uri)
    files.delete(path, True)

"""The Spark session: the one that is there (spark-submit, Databricks), else one made from the settings."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from recsys_spark.blas import ask_for_kernels
from recsys_spark.config.running import SparkSettings
from recsys_spark.config.secret import SECRET_NAME, is_reference, is_secret
from recsys_spark.secret import resolve

DELTA_PACKAGE = "io.delta:delta-spark_2.13:4.0.1"
POSTGRESQL_PACKAGE = "org.postgresql:postgresql:42.7.14"
MARIADB_PACKAGE = "org.mariadb.jdbc:mariadb-java-client:3.5.11"
JARS = {
    DELTA_PACKAGE: (
        "io.delta_delta-spark_2.13-4.0.1.jar",
        "io.delta_delta-storage-4.0.1.jar",
        "org.antlr_antlr4-runtime-4.13.1.jar",
    ),
    POSTGRESQL_PACKAGE: ("org.postgresql_postgresql-42.7.14.jar",),
    MARIADB_PACKAGE: ("org.mariadb.jdbc_mariadb-java-client-3.5.11.jar",),
}
"""What each package needs at run time, as Spark names the files in its cache."""
JAR_CACHE = Path.home() / ".ivy2.5.2" / "jars"
INLINING = {
    "FreqInlineSize": 100,
    "InlineSmallCode": 600,
    "MaxInlineLevel": 6,
    "LoopOptsCount": 6,
    "LoopUnrollLimit": 10,
}
"""How much HotSpot's optimising compiler takes into one method, and how often it goes over its loops."""
JAVA_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
"""Variables from which the JVM takes options beside those of its command line."""
LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")

REQUIRED = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    # Ids and numbers that do not parse must reach the quarantine as null, not stop the job.
    "spark.sql.ansi.enabled": "false",
}

DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Spark's own pattern misses account keys, among others.
    "spark.redaction.regex": SECRET_NAME,
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Samples that the driver learns from are bounded by settings, but with long ids go beyond Spark's own limit of 1g.
    # Arrow results pass through the driver's heap task by task on their way to Python, so their sum does not fill it.
    "spark.driver.maxResultSize": "0",
    # Spark's own default, INT96, takes half as much space again, longer to write, and has no least and greatest value.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # A small lake would otherwise start 50 tasks per snapshot and 10,000 per vacuum.
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    # Lists are collected by user. Beyond this many users a task sorts them instead; Spark's own limit is 128.
    "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "20000",
    "spark.driver.extraJavaOptions": f"-Duser.timezone=UTC -Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()}",
    "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
}


def open_session(settings: SparkSettings, app_name: str, packages: Sequence[str] = ()) -> SparkSession:
    """A session with Delta and further packages; values that the submitting side already set are kept.

    On Databricks the running session is returned as it is, with the runtime settings that this project needs.

    Raises:
        SettingsError: a reference in ``settings.extra`` leads to no secret.
    """
    active = SparkSession.getActiveSession()
    if active is not None:
        active.conf.set("spark.sql.session.timeZone", "UTC")
        active.conf.set("spark.sql.ansi.enabled", "false")
        return active
    # Executors must run the same interpreter as the driver, or they miss this package's dependencies.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    ask_for_kernels()  # Python workers of this machine inherit it
    extra = {
        key: resolve(value, f"spark.extra.{key}") if is_reference(value) else value
        for key, value in settings.extra.items()
    }
    wanted = {
        "spark.master": settings.master,
        "spark.driver.memory": settings.driver_memory,
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        **DEFAULTS,
        "spark.driver.extraJavaOptions": f"{DEFAULTS['spark.driver.extraJavaOptions']}{_machine_options(os.environ)}",
        **jars((DELTA_PACKAGE, *packages)),
        **extra,
    }
    # What starts the JVM stands on its command line, which everyone on the machine can read; secrets come after it.
    # Under spark-submit it runs already, and holds the submitted values.
    SparkContext._ensure_initialized(conf=_conf({k: v for k, v in wanted.items() if not is_secret(k)}))
    conf = _conf(wanted)
    conf.setAppName(app_name)
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def jars(packages: Sequence[str], cache: Path = JAR_CACHE) -> dict[str, str]:
    """Spark's settings for packages: the jars out of Spark's cache where a package's are all there, else the package.

    Resolving asks Maven Central at each start and prints thirty lines, also when nothing is to be fetched.
    """
    cached = [p for p in packages if all((cache / name).is_file() for name in JARS[p])]
    found = {
        "spark.jars": [str(cache / name) for package in cached for name in JARS[package]],
        "spark.jars.packages": [package for package in packages if package not in cached],
    }
    return {setting: ",".join(values) for setting, values in found.items() if values}


def _machine_options(environment: Mapping[str, str]) -> str:
    """The JVM's options for a session of its own, which works through many short queries in a small heap.

    Throughput counts there, not short pauses, so the parallel collector; none where the environment names one, as a JVM
    takes one alone. Each query is new code, and compiling it costs nearly as much as running it, so less is inlined;
    a limit that the environment names is left alone.
    """
    named = " ".join(environment.get(name, "") for name in JAVA_OPTIONS)
    collector = "" if re.search(r"-XX:\+Use\w+GC\b", named) else " -XX:+UseParallelGC"
    limits = (f" -XX:{name}={value}" for name, value in INLINING.items() if f"-XX:{name}=" not in named)
    return collector + "".join(limits)


def _conf(wanted: Mapping[str, str]) -> SparkConf:
    """What is wanted, unless the JVM, where it runs, was told otherwise; and what must be."""
    conf = SparkConf()
    for key, value in wanted.items():
        conf.setIfMissing(key, value)
    for key, value in REQUIRED.items():
        conf.set(key, value)
    return conf

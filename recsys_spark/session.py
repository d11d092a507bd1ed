"""The Spark session: the one that is there (spark-submit, Databricks), else one made from the settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from recsys_spark.config.settings import SparkSettings

DELTA_PACKAGE = "io.delta:delta-spark_2.13:4.0.1"
DELTA_JARS = (
    "io.delta_delta-spark_2.13-4.0.1.jar",
    "io.delta_delta-storage-4.0.1.jar",
    "org.antlr_antlr4-runtime-4.13.1.jar",
)
"""What the package resolves to, as Spark names the files in its cache."""
JAR_CACHE = Path.home() / ".ivy2.5.2" / "jars"
CPU_INFO = Path("/proc/cpuinfo")
AVX_512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
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
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # A small lake would otherwise start 50 tasks per snapshot and 10,000 per vacuum.
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    "spark.driver.extraJavaOptions": f"-Duser.timezone=UTC -Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()}",
    "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
}


def open_session(settings: SparkSettings, app_name: str) -> SparkSession:
    """A session with Delta; values that the submitting side already set are kept.

    On Databricks the running session is returned as it is, with the runtime settings that this project needs.
    """
    active = SparkSession.getActiveSession()
    if active is not None:
        active.conf.set("spark.sql.session.timeZone", "UTC")
        active.conf.set("spark.sql.ansi.enabled", "false")
        return active
    # Executors must run the same interpreter as the driver, or they miss this package's dependencies.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # started by spark-submit: its values are in the JVM already
        SparkContext._ensure_initialized()
    conf = SparkConf()
    conf.setAppName(app_name)
    wanted = {
        "spark.master": settings.master,
        "spark.driver.memory": settings.driver_memory,
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        **DEFAULTS,
        **delta_jars(),
        **(blas_kernels() if settings.master.startswith("local") else {}),
        **settings.extra,
    }
    for key, value in wanted.items():
        conf.setIfMissing(key, value)
    for key, value in REQUIRED.items():
        conf.set(key, value)
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def delta_jars(cache: Path = JAR_CACHE) -> dict[str, str]:
    """Delta's jars out of Spark's cache if all are there, else the package for Spark to resolve.

    Resolving asks Maven Central at each start and prints thirty lines, also when nothing is to be fetched.
    """
    jars = [cache / name for name in DELTA_JARS]
    if all(jar.is_file() for jar in jars):
        return {"spark.jars": ",".join(str(jar) for jar in jars)}
    return {"spark.jars.packages": DELTA_PACKAGE}


def blas_kernels(cpu_info: Path = CPU_INFO) -> dict[str, str]:
    """The OpenBLAS kernels for Python workers on this machine, where OpenBLAS would not choose the best by itself.

    The one in NumPy's wheels takes kernels without AVX-512 on AMD's processors that have it; products of matrices then
    take half as long again.
    """
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    flags = {flag for line in lines if line.startswith("flags") for flag in line.split()}
    if any("AuthenticAMD" in line for line in lines) and flags >= AVX_512:
        return {"spark.executorEnv.OPENBLAS_CORETYPE": "SkylakeX"}
    return {}

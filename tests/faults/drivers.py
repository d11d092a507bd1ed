"""Real drivers for the tests of faults: a job in a process group of its own, so that a test can kill all of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pyspark
from pyspark.sql import SparkSession

from recsys_spark.lake import Lake

CHECKOUT = Path(__file__).resolve().parents[2]
COMPLAINT = re.compile(r"\S.*(ERROR|Error|Exception|error:)")
EXECUTOR_LOGS = Path(pyspark.__file__).parent / "work"
# A driver lives for a minute or less: what the second compiler and a parallel collector save later, it never gets back.
SHORT_LIVED_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass(frozen=True)
class Ended:
    """How a driver ended: its exit code (-9: killed), and all that it printed."""

    code: int
    output: str

    def told(self) -> str:
        """The driver's first complaints and its first trace, and the last words of the executor that was started last.

        What the driver prints at its end is about stopping, and no cause: a cluster in one process then says that the
        master removed the application, also after a run that went well.
        """
        complaints = [line for line in self.output.splitlines() if COMPLAINT.match(line)]
        trace = self.output.partition("Traceback (most recent call last)")[2].splitlines()
        logs = sorted(EXECUTOR_LOGS.glob("app-*/*/stderr"), key=lambda log: log.stat().st_mtime)
        last = logs[-1].read_text(encoding="utf-8", errors="replace").splitlines() if logs else ["none was started"]
        parts = {"complaints": complaints[:12], "trace": trace[:48], "last executor": last[-12:]}
        return "\n".join([f"exit code {self.code}", *[f"{name}: " + "\n".join(part) for name, part in parts.items()]])


def start_driver(module: str, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """Start ``python -m MODULE ARGUMENTS`` with its JVM in a process group of its own, which prints into ``log``."""
    given = {"PYTHONPATH": str(CHECKOUT), "JAVA_TOOL_OPTIONS": SHORT_LIVED_JVM}
    return _start([sys.executable, "-m", module, *arguments], given, log)


def submit(job: str, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a job with spark-submit on a cluster of two executors, in a process group of its own."""
    given = {
        "SPARK_SUBMIT": str(Path(sys.executable).with_name("spark-submit")),
        "SPARK_SUBMIT_OPTIONS": "--master local-cluster[2,1,2048] --driver-memory 2g "
        "--conf spark.executor.memory=2g --conf spark.ui.enabled=false",
        "PYSPARK_PYTHON": sys.executable,
        # Executors call the driver at this address; that of a network card may be behind a wall or go away.
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    return _start(["deploy/spark/submit.sh", job, *arguments], given, log)


def executors(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The executors of a submitted job that are there now."""
    found = []
    for process in psutil.Process(driver.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "org.apache.spark.executor.CoarseGrainedExecutorBackend" in process.cmdline():
                found.append(process)
    return found


def _start(command: Sequence[str], given: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as sink:
        return subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ, **given},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end_of(driver: subprocess.Popen[bytes], log: Path, timeout: float = 1200) -> Ended:
    """Wait for the driver; one that takes longer is killed, with its JVM."""
    try:
        code = driver.wait(timeout)
    finally:
        kill(driver)
    return Ended(code, log.read_text(encoding="utf-8", errors="replace"))


def kill(driver: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the driver, its JVM and its Python workers; none of them gets to do anything more."""
    try:
        os.killpg(driver.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    driver.wait()


def run_driver(module: str, *arguments: str, log: Path, timeout: float = 1200) -> Ended:
    """Start a driver and wait for its end."""
    return end_of(start_driver(module, *arguments, log=log), log, timeout)


@dataclass(frozen=True)
class Shop:
    """A lake, the settings file that names it, and one run in it."""

    root: Path
    conf: Path
    run_id: str
    log: Path
    """Where drivers print."""
    mode: str = "auto"
    """Of the refresh."""

    def refresh(self, *more: str) -> Ended:
        """A real refresh in a process of its own; a later --run-id in ``more`` wins."""
        return run_driver("jobs.refresh", *self.arguments(*more), log=self.log)

    def arguments(self, *more: str) -> list[str]:
        """Arguments that name this lake and run."""
        named = ["--conf", str(self.conf), "--set", f"lake.path={self.root}", "--run-id", self.run_id]
        return [*named, *(["--mode", self.mode] if self.mode != "auto" else []), *more]

    def lake(self, spark: SparkSession) -> Lake:
        """The lake, read by the tests' own session."""
        return Lake(spark, str(self.root))

    def copied(self, folder: Path) -> Shop:
        """The same with a copy of the lake in an empty folder, where a test may change it."""
        shutil.copytree(self.root, folder / "lake")
        return replace(self, root=folder / "lake", log=folder / "driver.log")

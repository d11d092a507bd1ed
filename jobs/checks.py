"""What can be wrong with a machine or an installation, one check a function."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from recsys_spark.blas import VARIABLE
from recsys_spark.config import load_settings
from recsys_spark.errors import SettingsError

PYTHONS = ("3.11", "3.12")
"""What setup.py allows. The pins, and so training, are for the first."""
JAVAS = range(17, 22)
"""What Spark 4.0 runs on: from Java 24 on its Hadoop asks for what is no longer there."""
MINIMUM_MEMORY_GIB = 8.0
SUBPROCESS_SECONDS = 300
PACKAGES = ("pyspark", "delta-spark", "pyarrow", "numpy", "pandas", "tensorflow-cpu", "keras", "petastorm", "horovod")
OPTIONAL = ("tensorflow-cpu", "keras", "petastorm", "horovod")


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report; ``remedy`` is empty where nothing is wrong."""

    name: str
    found: str
    remedy: str = ""


def python_check() -> Check:
    """The interpreter's version."""
    major, minor, micro = sys.version_info[:3]
    remedy = "" if f"{major}.{minor}" in PYTHONS else f"use Python {PYTHONS[0]}"
    return Check("python", f"{major}.{minor}.{micro} at {sys.executable}", remedy)


def java_major(version_text: str) -> int | None:
    """Major version in the output of ``java -version``; None if there is none.

    >>> java_major('openjdk version "17.0.15" 2025-04-15')
    17
    >>> java_major('java version "1.8.0_392"')
    1
    """
    found = re.search(r'version "(\d+)', version_text)
    return int(found[1]) if found else None


def java_check(environment: Mapping[str, str] = os.environ) -> Check:
    """The Java that Spark would start."""
    home = environment.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else "java"
    remedy = "install Java 17 or 21 (openjdk-17-jre-headless) or set JAVA_HOME to its folder"
    if not shutil.which(java):
        return Check("java", f"none at {java}", remedy)
    text = _output([java, "-version"])
    major = java_major(text)
    first = text.splitlines()[0] if text else "no answer"
    return Check("java", first, "" if major in JAVAS else remedy)


def memory_check() -> Check:
    """Total memory."""
    total = psutil.virtual_memory().total / 2**30
    remedy = "" if total >= MINIMUM_MEMORY_GIB else "lower spark.driver_memory in the settings"
    return Check("memory", f"{total:.1f} GiB", remedy)


def cores_check() -> Check:
    """Cores that this process may use."""
    return Check("cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()))


def blas_check() -> Check:
    """The kernels that NumPy's OpenBLAS will use."""
    return Check("OpenBLAS kernels", os.environ.get(VARIABLE, "its own choice"))


def package_checks() -> list[Check]:
    """Versions of the packages that must fit together, read without importing them."""
    return [_package(name) for name in PACKAGES]


def _package(name: str) -> Check:
    version = installed(name)
    if version is not None:
        return Check(name, version)
    extra = "train" if name in OPTIONAL else "spark"
    needed = "" if name in OPTIONAL else f"pip install -c constraints.txt -e '.[{extra}]'"
    return Check(name, "not installed", needed)


def installed(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def pins_check(constraints: Path) -> Check:
    """Whether installed packages have the versions that constraints.txt pins."""
    if not constraints.is_file():
        return Check("pins", f"no {constraints} here, so pins are not compared")
    wanted = pins(constraints.read_text(encoding="utf-8"))
    found = {name: installed(name) for name in wanted}
    differing = [name for name in wanted if found[name] not in (None, wanted[name])]
    other = [f"{name} {found[name]} (pinned {wanted[name]})" for name in differing]
    if not other:
        return Check("pins", f"all installed versions as in {constraints}")
    return Check("pins", ", ".join(other), f"pip install -r {constraints}")


def pins(text: str) -> dict[str, str]:
    """Name to version of the lines ``name==version``."""
    return dict(re.findall(r"^([A-Za-z0-9_.\-]+)==(\S+)", text, flags=re.MULTILINE))


def jars_check(environment: Mapping[str, str] = os.environ) -> Check:
    """Whether the Delta jar is in an Ivy cache; if not, the first session needs the network."""
    if installed("pyspark") is None:
        return Check("delta jars", "not looked for without pyspark")
    # Here, because it imports pyspark, and the doctor is there to say that it is missing.
    from recsys_spark.session import DELTA_PACKAGE

    _, artifact, version = DELTA_PACKAGE.split(":")
    home = Path(environment.get("HOME", "/"))
    jars = sorted(home.glob(f".ivy2*/jars/*{artifact}-{version}.jar"))
    if jars:
        return Check("delta jars", str(jars[0]))
    remedy = "run deploy/spark/fetch_jars.py with network access"
    return Check("delta jars", f"{DELTA_PACKAGE} is not in {home}/.ivy2*", remedy)


def horovod_check() -> Check:
    """Whether Horovod is there and was built with Gloo for TensorFlow; its absence only means one process."""
    if installed("horovod") is None:
        return Check("horovod build", "not installed; training runs in a single process")
    launcher = Path(sys.executable).with_name("horovodrun")
    remedy = f"deploy/horovod/build.sh {sys.executable}"
    if not launcher.exists():
        return Check("horovod build", f"no {launcher}", remedy)
    text = _output([str(launcher), "--check-build"])
    if not text:
        found = f"{launcher} gave no answer in {SUBPROCESS_SECONDS} s"
        return Check("horovod build", found, "try again when the load is lower")
    lacking = [part for part in ("TensorFlow", "Gloo") if f"[X] {part}" not in text]
    if lacking:
        return Check("horovod build", f"built without {' and '.join(lacking)}", remedy)
    return Check("horovod build", "TensorFlow, Gloo")


def settings_checks(conf: str, overrides: Sequence[str]) -> list[Check]:
    """Whether the settings are valid, and the lake that they name can be written."""
    try:
        settings = load_settings(conf, overrides)
    except SettingsError as error:
        return [Check("settings", f"{conf} is refused", str(error))]
    return [Check("settings", f"{conf} is valid"), lake_check(settings.lake.path)]


def lake_check(path: str) -> Check:
    """Whether a local lake's folder, or the nearest folder above it that exists, can be written."""
    local = re.sub(r"^file:(//)?", "", path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", local):
        return Check("lake", f"{path} is remote; the first job checks it")
    folder = Path(local).absolute()
    try:
        while not folder.exists():
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            return Check("lake", f"{path} can be written")
    except OSError as error:
        return Check("lake", f"{folder}: {error.strerror}", "choose another lake.path or make the folder writable")


def _output(command: Sequence[str]) -> str:
    """What a short command prints on both streams; empty if it does not end."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SUBPROCESS_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout + ended.stderr

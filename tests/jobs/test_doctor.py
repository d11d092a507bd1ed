import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from jobs import checks, doctor
from jobs.checks import Check


def fake_java(folder, version):
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return {"JAVA_HOME": str(folder)}


@pytest.mark.parametrize(
    ("version", "fine"),
    [("17.0.15", True), ("21", True), ("11.0.2", False), ("1.8.0_392", False), ("24", False), ("25.0.1", False)],
)
def test_java_is_judged_by_its_major_version(tmp_path, version, fine):
    check = checks.java_check(fake_java(tmp_path, version))
    assert version in check.found
    assert (check.remedy == "") is fine


def test_a_missing_java_has_a_remedy():
    check = checks.java_check({"JAVA_HOME": "/nowhere"})
    assert "/nowhere/bin/java" in check.found
    assert "JAVA_HOME" in check.remedy


@pytest.mark.parametrize(("version", "fine"), [((3, 11, 7), True), ((3, 12, 3), True), ((3, 13, 0), False)])
def test_python_is_judged_as_setup_py_judges_it(monkeypatch, version, fine):
    monkeypatch.setattr(checks.sys, "version_info", version)
    check = checks.python_check()
    assert check.found.startswith(".".join(map(str, version)))
    assert (check.remedy == "") is fine
    setup = (Path(checks.__file__).parents[1] / "setup.py").read_text(encoding="utf-8")
    assert 'python_requires=">=3.11,<3.13"' in setup


def test_a_core_without_spark_is_told_what_to_install(tmp_path):
    conf = tmp_path / "shop.yaml"
    conf.write_text(f"lake: {{path: {tmp_path}/lake}}")
    # None: importing it fails. A distribution that is not there has no version either.
    code = f"""
import sys
from importlib import metadata
from rich.console import Console
sys.modules.update(dict.fromkeys(("pyspark", "delta", "pandas", "pyarrow", "tensorflow")))
known = metadata.version
def version(name):
    if name == "pyspark":
        raise metadata.PackageNotFoundError(name)
    return known(name)
metadata.version = version
from jobs import checks, doctor
checks.horovod_check = lambda: checks.Check("horovod build", "")  # takes as long as TensorFlow's import
sys.exit(doctor.main(["--conf", {str(conf)!r}]))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 8, ended.stderr
    assert re.search(r"wrong: .*pyspark", ended.stdout)


def test_the_kernels_that_openblas_is_asked_for_are_named(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert checks.blas_check() == Check("OpenBLAS kernels", "Haswell")
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    assert checks.blas_check().found == "its own choice"


def test_pins_that_differ_are_named_and_what_is_not_installed_is_none_of_them(tmp_path):
    pinned = tmp_path / "constraints.txt"
    pinned.write_text("# comment\npyspark==3.5.0\nno-such-package==1.0\n")
    check = checks.pins_check(pinned)
    assert re.fullmatch(r"pyspark 4\.0\.\d \(pinned 3\.5\.0\)", check.found)
    assert str(pinned) in check.remedy


def test_jars_are_looked_for_by_version(tmp_path):
    assert checks.jars_check({"HOME": str(tmp_path)}).remedy
    jar = tmp_path / ".ivy2.5.2" / "jars" / "io.delta_delta-spark_2.13-4.0.1.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    assert checks.jars_check({"HOME": str(tmp_path)}) == Check("delta jars", str(jar))


def test_horovod_is_optional(monkeypatch):
    monkeypatch.setattr(checks, "installed", lambda name: None)
    check = checks.horovod_check()
    assert "single process" in check.found
    assert not check.remedy


@pytest.mark.parametrize(
    ("printed", "fine"),
    [("[X] TensorFlow\n[X] Gloo", True), ("[X] TensorFlow\n[ ] Gloo", False), ("", False)],
)
def test_horovod_is_judged_by_what_it_says_of_its_build(monkeypatch, tmp_path, printed, fine):
    (tmp_path / "horovodrun").touch()
    monkeypatch.setattr(checks, "installed", lambda name: "0.28.1")
    monkeypatch.setattr(checks.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(checks, "_output", lambda command: printed)
    assert (checks.horovod_check().remedy == "") is fine


def test_wrong_settings_are_told_and_the_lake_is_then_not_looked_for(tmp_path):
    conf = tmp_path / "shop.yaml"
    conf.write_text("als: {rnak: 8}")
    [check] = checks.settings_checks(str(conf), [])
    assert "als.rnak" in check.remedy


def test_a_lake_that_is_not_there_yet_is_judged_by_the_folder_above(tmp_path):
    assert not checks.lake_check(str(tmp_path / "new" / "lake")).remedy
    assert checks.lake_check("/proc/lake").remedy


@pytest.mark.parametrize(
    "path", ["s3a://bucket/lake", "dbfs:/lake", "hdfs:/lake", "abfss://c@a.dfs.core.windows.net/x"]
)
def test_a_lake_on_another_file_system_is_left_to_the_first_job(path):
    assert "remote" in checks.lake_check(path).found


@pytest.mark.parametrize("scheme", ["file:", "file://"])
def test_a_local_lake_may_be_named_by_a_uri(tmp_path, scheme):
    assert checks.lake_check(f"{scheme}{tmp_path}/lake") == Check("lake", f"{scheme}{tmp_path}/lake can be written")
    assert checks.lake_check(f"{scheme}/proc/lake").found.startswith("/proc: ")


def test_a_lake_below_a_folder_that_the_system_will_not_look_into_is_told(monkeypatch):
    def refused(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(checks.Path, "exists", refused)
    assert checks.lake_check("/closed/lake").found == "/closed/lake: Permission denied"


def test_the_exit_code_is_8_only_where_something_is_wrong(capsys):
    console = Console(width=100)
    assert doctor.report([Check("java", "17")], console) == 0
    assert doctor.report([Check("java", "17"), Check("pins", "numpy 2", "pip install")], console) == 8
    assert "wrong: pins" in capsys.readouterr().out

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, **environment):
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60, check=False
    )


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path):
    """A machine that has everything: a folder of commands, to be used as the whole PATH beside the shell's own."""
    commands = tmp_path / "bin"
    commands.mkdir()
    script(commands / "python3.11", "exit 0")
    script(commands / "make", "exit 0")
    script(commands / "g++", "exit 0")
    (tmp_path / "java17" / "bin").mkdir(parents=True)
    script(tmp_path / "java17" / "bin" / "java", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2")
    for tool in ("bash", "sed", "head", "sh"):
        (commands / tool).symlink_to(subprocess.check_output(["which", tool], text=True).strip())
    return tmp_path


def prerequisites(machine, **changes):
    environment = {"PATH": str(machine / "bin"), "JAVA_HOME": str(machine / "java17"), "PYTHON": "", "CXX": ""}
    bash = str(machine / "bin" / "bash")
    return run(bash, "deploy/setup/prerequisites.sh", **{**environment, **changes})


def test_a_complete_machine_passes_and_its_python_is_named(machine):
    ended = prerequisites(machine)
    assert (ended.returncode, ended.stdout.strip()) == (0, str(machine / "bin" / "python3.11"))


@pytest.mark.parametrize("command", ["python3.11", "g++", "make"])
def test_each_missing_command_is_one_sentence_with_its_remedy(machine, command):
    (machine / "bin" / command).unlink()
    ended = prerequisites(machine)
    assert ended.returncode == 8
    [line] = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert "apt-get install" in line
    assert command.removesuffix("3.11") in line.lower()


@pytest.mark.parametrize(("version", "major"), [("1.8.0_392", 1), ("11.0.2", 11), ("24", 24), ("25.0.1", 25)])
def test_a_java_that_spark_does_not_run_on_is_refused(machine, version, major):
    script(machine / "java17" / "bin" / "java", f"echo 'java version \"{version}\"' >&2")
    ended = prerequisites(machine)
    assert ended.returncode == 8
    assert f"is version {major};" in ended.stderr


def test_the_latest_java_that_spark_runs_on_passes(machine):
    script(machine / "java17" / "bin" / "java", "echo 'openjdk version \"21.0.7\" 2025-04-15' >&2")
    assert prerequisites(machine).returncode == 0


def test_a_missing_java_is_told_beside_everything_else_that_is_missing(machine):
    (machine / "bin" / "g++").unlink()
    ended = prerequisites(machine, JAVA_HOME="/nowhere")
    assert ended.returncode == 8
    assert len(ended.stderr.splitlines()) == 2
    assert "/nowhere/bin/java" in ended.stderr


def test_the_tests_say_in_one_sentence_that_postgresql_is_missing(machine):
    text = (ROOT / "deploy" / "setup" / "prerequisites.sh").read_text()
    elsewhere = script(machine / "prerequisites.sh", text.replace("/usr/lib/postgresql", "/nowhere"))
    environment = {"PATH": str(machine / "bin"), "JAVA_HOME": str(machine / "java17"), "PYTHON": "", "CXX": ""}
    bash = str(machine / "bin" / "bash")
    ended = run(bash, str(elsewhere), "tests", **environment)
    assert ended.returncode == 8
    [line] = ended.stderr.splitlines()
    assert line.endswith("install it (sudo apt-get install -y postgresql)")
    assert run(bash, str(elsewhere), **environment).returncode == 0, "nothing else needs it"


def test_a_step_keeps_the_words_in_a_log_and_tells_its_title(tmp_path):
    log = tmp_path / "logs" / "step.log"
    ended = run("deploy/setup/step.sh", "[1/1] talking", str(log), "sh", "-c", "echo wordy")
    assert ended.returncode == 0
    assert ended.stdout.startswith("[1/1] talking …")
    assert "wordy" not in ended.stdout
    assert log.read_text() == "wordy\n"


def test_a_failing_step_shows_the_log_and_keeps_the_exit_code(tmp_path):
    log = tmp_path / "step.log"
    ended = run("deploy/setup/step.sh", "[1/1] failing", str(log), "sh", "-c", "echo the cause; exit 3")
    assert ended.returncode == 3
    assert "the cause" in ended.stderr
    assert str(log) in ended.stderr


def test_submit_sends_the_packages_with_the_job(tmp_path):
    submitted(tmp_path)


def submitted(tmp_path):
    """The package of a job that was submitted with everything that can be asked for."""
    submit = script(tmp_path / "spark-submit", 'echo "$@"')
    ended = run(
        "deploy/spark/submit.sh", "refresh", "--run-id", "x",
        SPARK_SUBMIT=str(submit), SPARK_SUBMIT_OPTIONS="--master yarn", RECSYS_ENVIRONMENT="env.tar.gz",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("--master yarn jobs/refresh.py --run-id x")
    assert "--archives env.tar.gz#environment" in ended.stdout
    package = ROOT / re.search(r"--py-files (\S+)", ended.stdout)[1]
    assert "recsys_spark/contracts/tables.py" in zipfile.ZipFile(package).namelist()
    return package


def test_a_job_that_runs_keeps_its_package_when_another_one_is_submitted(tmp_path):
    package = submitted(tmp_path)
    before = package.stat()
    assert submitted(tmp_path) == package
    assert (package.stat().st_ino, package.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not list(package.parent.glob("*.part"))


@pytest.fixture
def checkout(tmp_path):
    """The checkout as `make` leaves it, on a machine whose own python3 knows nothing."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "deploy" / "spark", root / "deploy" / "spark")
    for name in ("jobs", "recsys_spark"):
        (root / name).symlink_to(ROOT / name)
    (root / ".venv").symlink_to(sys.prefix)
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "python3", "echo no pyspark here >&2; exit 1")
    return root


def submit_in(checkout, **changes):
    known = {"HOME": os.environ["HOME"], "PATH": f"{checkout.parent / 'bin'}:/usr/bin:/bin"}
    known |= {name: os.environ[name] for name in ("JAVA_HOME",) if name in os.environ}
    command = [str(checkout / "deploy/spark/submit.sh"), "refresh", "--run-id", "x"]
    return subprocess.run(command, capture_output=True, text=True, env=known | changes, timeout=60, check=False)


def test_after_make_submit_needs_nothing_of_the_path_but_java(checkout):
    ended = submit_in(checkout, SPARK_SUBMIT_OPTIONS="--version")
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"version 4\.0\.\d", ended.stderr)


def test_the_venvs_spark_submit_gives_the_driver_the_venvs_python_but_not_a_clusters(checkout, tmp_path):
    (checkout / ".venv").unlink()
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    script(checkout / ".venv" / "bin" / "spark-submit", 'echo "${PYSPARK_PYTHON:-unset} in $SPARK_HOME"')
    (checkout / ".venv" / "bin" / "find_spark_home.py").write_text("print('/found')")
    own = f"{checkout}/.venv/bin/python"
    assert submit_in(checkout).stdout == f"{own} in /found\n"
    assert submit_in(checkout, PYSPARK_PYTHON="/opt/python").stdout == "/opt/python in /found\n"
    for said in ("--deploy-mode cluster", "--deploy-mode=cluster", "--conf spark.submit.deployMode=cluster"):
        assert submit_in(checkout, SPARK_SUBMIT_OPTIONS=f"--master yarn {said}").stdout == "unset in /found\n"


def test_an_archived_environment_is_for_executors_and_for_the_driver_of_a_cluster(checkout, tmp_path):
    asked = {"SPARK_SUBMIT": str(script(tmp_path / "spark-submit", 'echo "$@"')), "RECSYS_ENVIRONMENT": "env.tar.gz"}
    client = submit_in(checkout, **asked).stdout
    assert "--conf spark.pyspark.python=./environment/bin/python" in client
    assert f"--conf spark.pyspark.driver.python={checkout}/.venv/bin/python" in client
    own = submit_in(checkout, **asked, PYSPARK_PYTHON="/opt/python").stdout
    assert "--conf spark.pyspark.driver.python=/opt/python" in own
    cluster = submit_in(checkout, **asked, SPARK_SUBMIT_OPTIONS="--deploy-mode cluster").stdout
    assert "--conf spark.pyspark.python=./environment/bin/python" in cluster
    assert "driver.python" not in cluster


def test_options_on_several_lines_all_reach_spark_submit(checkout, tmp_path):
    submit = script(tmp_path / "spark-submit", 'echo "$@"')
    ended = submit_in(checkout, SPARK_SUBMIT=str(submit), SPARK_SUBMIT_OPTIONS="--master yarn\n  --num-executors 20\n")
    assert ended.stdout.endswith(" --master yarn --num-executors 20 jobs/refresh.py --run-id x\n")


def test_submit_refuses_a_job_that_does_not_exist():
    ended = run("deploy/spark/submit.sh", "dance")
    assert ended.returncode == 2
    assert "jobs/dance.py" in ended.stderr


def test_submitted_sessions_and_own_sessions_use_one_delta():
    from recsys_spark.session import DELTA_PACKAGE, REQUIRED

    text = (ROOT / "deploy" / "spark" / "spark-defaults.conf").read_text()
    pairs = dict(line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert pairs["spark.jars.packages"] == DELTA_PACKAGE
    assert REQUIRED.items() <= pairs.items()


def test_the_locks_have_a_hash_for_each_version_that_is_pinned():
    pinned = set(re.findall(r"^[\w.-]+==\S+", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    locks = "".join(path.read_text() for path in (ROOT / "deploy/setup").glob("*.lock"))
    locked = set(re.findall(r"^([\w.-]+==\S+) \\\n    --hash=sha256:[0-9a-f]{64}", locks, re.MULTILINE))
    assert {_normal(name) for name in locked} == {_normal(name) for name in pinned}


def _normal(requirement):
    return requirement.lower().replace("_", "-")

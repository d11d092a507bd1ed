import os
import re
import subprocess
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


def test_an_old_java_is_refused(machine):
    script(machine / "java17" / "bin" / "java", "echo 'java version \"1.8.0_392\"' >&2")
    ended = prerequisites(machine)
    assert ended.returncode == 8
    assert "is version 1;" in ended.stderr


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

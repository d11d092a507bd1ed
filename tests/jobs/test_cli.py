import ast
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from jobs import cli
from jobs.steps import STEPS
from recsys_spark.contracts import ALL_TABLES


@pytest.fixture
def job(monkeypatch):
    """Stands in for every job module; keeps the arguments that it was given, returns what ``code`` says."""
    stand_in = types.SimpleNamespace(code=0, seen=None)

    def main(argv):
        stand_in.seen = argv
        return stand_in.code

    stand_in.main = main
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: stand_in)
    return stand_in


def test_a_job_gets_its_options_as_they_were_written(job):
    cli.main(["train_als", "--conf", "a.yaml", "--set", "als.rank=8", "--fold", "backtest"])
    assert job.seen == ["--conf", "a.yaml", "--set", "als.rank=8", "--fold", "backtest"]


def test_show_gets_its_id(job):
    cli.main(["show", "user", "42"])
    assert job.seen == ["user", "42"]


def test_success_returns_and_a_failure_keeps_its_exit_code(job):
    assert cli.main(["ingest"]) is None
    job.code = 4
    with pytest.raises(SystemExit) as stopped:
        cli.main(["ingest"])
    assert stopped.value.code == 4


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["dance"])
    assert stopped.value.code == 2
    assert "dance" in capsys.readouterr().err


def test_help_of_a_job_lists_real_options_and_tables(capsys):
    cli.main(["train_als", "--help"])
    shown = capsys.readouterr().out
    assert "--as-of" in shown
    assert "reads:  interactions, user_profiles, item_vectors" in shown
    assert "writes: user_factors, item_factors" in shown


def test_help_of_a_refresh_says_that_it_writes_what_all_steps_write(capsys):
    cli.main(["refresh", "--help"])
    assert "writes: every table of the steps above, and one row in claims and in releases" in capsys.readouterr().out


def test_an_option_that_a_job_does_not_have_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train_als", "--rnak", "8"])
    assert stopped.value.code == 2
    assert "--rnak" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*STEPS, *cli.TOOLS])
def test_every_command_has_a_job_with_a_main(name):
    assert callable(__import__(f"jobs.{name}", fromlist=["main"]).main)


def test_every_table_is_written_by_one_step_and_read_tables_exist():
    assert {name for step in STEPS.values() for name in step.writes} == set(ALL_TABLES) - {"erasures"}
    assert {name for step in STEPS.values() for name in step.reads} <= set(ALL_TABLES) | {"the source"}


@pytest.mark.parametrize("name", [name for name in STEPS if name != "refresh"])  # refresh runs all the others
def test_a_job_names_no_tables_but_those_that_its_step_reads_and_writes(name):
    sources = Path(cli.__file__).parent.glob(f"{name}*.py")  # backtest's page is a module of its own
    nodes = [node for source in sources for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))]
    named = {node.value for node in nodes if isinstance(node, ast.Constant) and node.value in ALL_TABLES}
    step = STEPS[name]
    assert named - set(step.writes) == set(step.reads) - {"the source"}


def test_help_imports_no_spark():
    code = "import sys, jobs.cli; sys.exit(any(m in sys.modules for m in ('pyspark', 'tensorflow', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_help_lists_all_commands(capsys):
    started = time.process_time()
    cli.main(["--help"])
    shown = capsys.readouterr().out
    assert time.process_time() - started < 1.0
    assert all(name in shown for name in (*STEPS, *cli.TOOLS))

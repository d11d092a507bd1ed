import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from jobs.command import parser
from jobs.pipeline import REFRESH
from recsys_spark.config import load_settings

BUNDLE = Path(__file__).parents[2] / "deploy" / "databricks"
RUN_ID = "{{job.parameters.run_id}}"


NOT_ON_THE_CLUSTER = (
    "optuna",
    "tensorflow",
    "keras",
    "petastorm",
    "horovod",
    "completejourney",
    "chispa",
    "hypothesis",
)
"""Packages of the extras that neither the wheel nor Databricks Runtime 17.3 brings."""
IMPORTS = """
import importlib, json, sys
blocked, modules = map(json.loads, sys.argv[1:])
sys.modules.update(dict.fromkeys(blocked))  # None: importing it fails
for module in modules:
    importlib.import_module(module)
"""


def job(name):
    text = (BUNDLE / "resources" / f"{name}.job.yml").read_text(encoding="utf-8")
    # What Databricks puts in the parameter's place when the job starts.
    return yaml.safe_load(text.replace(RUN_ID, "8123"))["resources"]["jobs"][name]


@pytest.fixture(scope="module")
def tasks():
    return job("refresh")["tasks"]


@pytest.fixture(scope="module")
def all_tasks(tasks):
    return [*tasks, *job("update")["tasks"]]


def test_every_module_of_a_task_imports_with_what_the_cluster_has(all_tasks):
    modules = sorted({f"jobs.{task['python_wheel_task']['parameters'][0]}" for task in all_tasks})
    command = [sys.executable, "-c", IMPORTS, json.dumps(NOT_ON_THE_CLUSTER), json.dumps(modules)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_every_entry_point_is_a_callable_of_the_installed_package(all_tasks):
    scripts = {e.name: e for e in metadata.distribution("recsys-spark").entry_points}
    for task in all_tasks:
        assert task["python_wheel_task"]["package_name"] == "recsys_spark"
        assert callable(scripts[task["python_wheel_task"]["entry_point"]].load())


def test_every_parameter_is_an_option_of_its_job(all_tasks):
    for task in all_tasks:
        job, *options = task["python_wheel_task"]["parameters"]
        accepted = parser(job, "").parse_args(options)
        assert accepted.conf == "${var.conf}"
        assert accepted.run_id == "8123"


def test_the_tasks_are_the_refresh_step_by_step_and_then_the_refresh(tasks):
    found = []
    for task in tasks:
        job, *options = task["python_wheel_task"]["parameters"]
        found.append((job, parser(job, "").parse_args(options).fold))
    assert sorted(found[:-1]) == sorted((step.name, step.fold) for step in REFRESH)
    assert found[-1] == ("refresh", "full")


def test_tasks_wait_for_tasks_above_them_only(tasks):
    above = set()
    for task in tasks:
        assert {d["task_key"] for d in task.get("depends_on", [])} <= above
        above.add(task["task_key"])
    assert len(above) == len(tasks)


def test_an_update_is_one_task_that_decides_by_the_settings():
    [task] = job("update")["tasks"]
    assert task["python_wheel_task"] == job("refresh")["tasks"][-1]["python_wheel_task"]
    assert load_settings(BUNDLE / "settings.yaml").refresh.full_every_days == 9


def test_both_jobs_have_one_kind_of_cluster_and_a_schedule_that_waits_for_someone_to_start_it():
    full, update = job("refresh"), job("update")
    assert full["job_clusters"] == update["job_clusters"]
    cluster = full["job_clusters"][0]["new_cluster"]
    assert cluster["data_security_mode"] == "SINGLE_USER"
    assert cluster["spark_conf"] == {"spark.driver.maxResultSize": "0"}
    assert {one["schedule"]["pause_status"] for one in (full, update)} == {"PAUSED"}
    days = [one["schedule"]["quartz_cron_expression"].split()[-1] for one in (full, update)]
    assert days == ["SUN", "MON-SAT"]


def test_the_bundle_names_its_variables_and_no_workspace():
    bundle = yaml.safe_load((BUNDLE / "databricks.yml").read_text(encoding="utf-8"))
    assert {"conf", "node_type", "workers"} == set(bundle["variables"])
    assert all("workspace" not in target for target in bundle["targets"].values())
    assert bundle["variables"]["conf"]["default"].endswith("deploy/databricks/settings.yaml")


def test_the_bundle_settings_are_valid():
    assert load_settings(BUNDLE / "settings.yaml").source.kind == "files"

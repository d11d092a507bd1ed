from importlib import metadata
from pathlib import Path

import pytest
import yaml

from jobs.command import parser
from jobs.pipeline import REFRESH
from recsys_spark.config import load_settings

BUNDLE = Path(__file__).parents[2] / "deploy" / "databricks"
RUN_ID = "{{job.parameters.run_id}}"


@pytest.fixture(scope="module")
def tasks():
    text = (BUNDLE / "resources" / "refresh.job.yml").read_text(encoding="utf-8")
    # What Databricks puts in the parameter's place when the job starts.
    return yaml.safe_load(text.replace(RUN_ID, "8123"))["resources"]["jobs"]["refresh"]["tasks"]


def test_every_entry_point_is_a_callable_of_the_installed_package(tasks):
    scripts = {e.name: e for e in metadata.distribution("recsys-spark").entry_points}
    for task in tasks:
        assert task["python_wheel_task"]["package_name"] == "recsys_spark"
        assert callable(scripts[task["python_wheel_task"]["entry_point"]].load())


def test_every_parameter_is_an_option_of_its_job(tasks):
    for task in tasks:
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


def test_the_bundle_names_its_variables_and_no_workspace():
    bundle = yaml.safe_load((BUNDLE / "databricks.yml").read_text(encoding="utf-8"))
    assert {"conf", "node_type", "workers"} == set(bundle["variables"])
    assert all("workspace" not in target for target in bundle["targets"].values())
    assert bundle["variables"]["conf"]["default"].endswith("deploy/databricks/settings.yaml")


def test_the_bundle_settings_are_valid():
    assert load_settings(BUNDLE / "settings.yaml").source.kind == "files"

from importlib import metadata
from pathlib import Path

import pytest
import yaml

from jobs.context import parser
from jobs.pipeline import REFRESH
from recsys_spark.config import load_settings

RUN_ID = "{{job.parameters.run_id}}"
BUNDLE = Path(__file__).parents[2] / "deploy" / "databricks"


@pytest.fixture(scope="module")
def tasks():
    text = (BUNDLE / "resources" / "refresh.job.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["resources"]["jobs"]["refresh"]["tasks"]


def parsed(task):
    """The job of a task and its options, as Databricks fills them in."""
    job, *options = task["python_wheel_task"]["parameters"]
    return job, parser(job, "").parse_args([option.replace(RUN_ID, "816") for option in options])


def test_every_entry_point_is_a_callable_of_the_installed_package(tasks):
    scripts = {e.name: e for e in metadata.distribution("recsys-spark").entry_points}
    for task in tasks:
        assert task["python_wheel_task"]["package_name"] == "recsys_spark"
        assert callable(scripts[task["python_wheel_task"]["entry_point"]].load())


def test_every_parameter_is_an_option_of_its_job(tasks):
    for task in tasks:
        assert RUN_ID in task["python_wheel_task"]["parameters"]
        _, accepted = parsed(task)
        assert (accepted.conf, accepted.run_id) == ("${var.conf}", "816")


def test_the_tasks_are_the_refresh_step_by_step_and_then_the_refresh(tasks):
    found = []
    for task in tasks:
        job, accepted = parsed(task)
        found.append((job, accepted.fold))
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

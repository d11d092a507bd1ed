"""Settings that trials chose: used where the file leaves them open, and only there."""

import json

import pytest
import yaml

from jobs.backtest_trials import Split
from jobs.command import open_job, parser
from jobs.context import Job
from recsys_spark.config.settings import Settings
from recsys_spark.lake import Lake
from tests.conftest import at


@pytest.fixture
def lake(spark, rows, tmp_path):
    job = Job(Settings(), spark, Lake(spark, str(tmp_path / "lake")), "trials", at("2024-01-01"))
    values = {"als.rank": 128, "profiles.half_life_days": 40.5}
    chosen = {key: json.dumps(value) for key, value in values.items()}
    refused = {"als.rank": "32", "profiles.half_life_days": "700.0"}
    job.write(
        "settings_trials",
        rows("settings_trials", {"trial": 0, "settings": refused}, {"trial": 1, "settings": chosen, "chosen": True}),
    )
    return job.lake


def opened(tmp_path, lake, settings, *more):
    conf = tmp_path / "shop.yaml"
    conf.write_text(yaml.safe_dump({"lake": {"path": lake.root}, **settings}))
    return open_job("backtest", parser("backtest", "").parse_args(["--conf", str(conf), *more])).settings


def test_a_refresh_uses_what_the_trials_chose(tmp_path, lake):
    settings = opened(tmp_path, lake, {})
    assert (settings.als.rank, settings.profiles.half_life_days) == (128, 40.5)


def test_what_the_file_or_the_command_says_stays(tmp_path, lake):
    settings = opened(tmp_path, lake, {"als": {"rank": 16}}, "--set", "profiles.half_life_days=90")
    assert (settings.als.rank, settings.profiles.half_life_days) == (16, 90)


def test_trials_can_be_left_unused(tmp_path, lake):
    settings = opened(tmp_path, lake, {"backtest": {"use_trials": False}})
    assert settings.als.rank == Settings().als.rank


def test_trials_of_a_claimed_run_are_runs_of_their_own(spark, rows, tmp_path):
    job = Job(Settings(), spark, Lake(spark, str(tmp_path / "lake")), "r1", at("2024-01-01")).claimed()
    split = Split(job, seed=1)
    split.job.write("users", rows("users", {"user_id": "u1"}))
    assert split.lake.read("users").count() == 1
    assert not job.lake.exists("users")

"""A reader in a process of its own never sees a mixture of two releases, while others are published."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest

from recsys_spark.lake import Lake
from tests.conftest import at
from tests.faults.drivers import end_of, start_driver

FIRST = at("2024-01-01")


@pytest.mark.parametrize("releases", [5, pytest.param(20, marks=pytest.mark.faults)])
def test_a_reader_sees_one_release_at_a_time(releases, publish_small, spark, tmp_path):
    lake = Lake(spark, str(tmp_path / "lake"))
    publish_small(lake, "run0", FIRST)
    log, stop, ready = tmp_path / "reader.log", tmp_path / "stop", tmp_path / "ready"
    reader = start_driver("tests.faults.read_releases", lake.root, str(ready), str(stop), log=log)
    while not ready.exists():
        assert reader.poll() is None, log.read_text()
        time.sleep(0.1)
    for number in range(1, releases + 1):
        publish_small(lake, f"run{number}", FIRST + timedelta(days=number))
    stop.touch()
    ended = end_of(reader, log)
    assert ended.code == 0, ended.output
    seen = json.loads(ended.output.splitlines()[-1])
    assert seen["mixtures"] == []
    assert len(seen["releases"]) > 2
    assert seen["releases"][-1] == f"run{releases}"

"""One of two training processes is killed for real: all end, nothing is registered, and a second run finishes it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from recsys_spark.coldstart import launch
from recsys_spark.errors import TrainingError
from recsys_spark.lake import Commit, Lake
from tests.coldstart.conftest import planted, spec_of  # noqa: F401 - planted is a fixture
from tests.faults.training import LONG, SECONDS, best, log_of, wait_for, workers

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def undisturbed(planted, tmp_path_factory):  # noqa: F811 - the fixture
    spec = spec_of(planted, tmp_path_factory.mktemp("undisturbed"), epochs=12, patience=12)
    return best(launch.train(spec, 2, "horovodrun", timeout_minutes=5).log)


@pytest.mark.parametrize("rank", [0, 1])
def test_all_end_and_a_second_run_reaches_what_an_undisturbed_one_reaches(planted, undisturbed, tmp_path, rank):  # noqa: F811
    spec = spec_of(planted, tmp_path, epochs=12, patience=12)
    told: list[BaseException] = []

    def train() -> None:
        try:
            launch.train(spec, 2, "horovodrun", timeout_minutes=10)
        except TrainingError as error:
            told.append(error)

    running = threading.Thread(target=train)
    running.start()
    wait_for(lambda: len(log_of(spec.metric_log)) >= 3, lambda: not running.is_alive())
    ranks = workers(psutil.Process())
    assert ranks.keys() == {0, 1}
    ranks[rank].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    running.join(LONG)
    _, alive = psutil.wait_procs(ranks.values(), timeout=max(0.0, SECONDS - (time.monotonic() - killed)))
    took = time.monotonic() - killed
    assert not alive, "a training process outlives its peer"
    assert took < SECONDS
    assert "ended with code" in str(told[0])
    reached = len(log_of(spec.metric_log))
    assert 3 <= reached < 12
    before = (tmp_path / "checkpoints" / "manifest.json").stat().st_mtime_ns
    resumed = launch.train(spec, 2, "horovodrun", timeout_minutes=5)
    assert [line["epoch"] for line in resumed.log] == list(range(1, len(resumed.log) + 1))
    assert (tmp_path / "checkpoints" / "manifest.json").stat().st_mtime_ns > before
    assert best(resumed.log) == pytest.approx(undisturbed, rel=0.01)


@pytest.mark.parametrize("victim", ["rank 1", "horovodrun"])
def test_the_job_ends_with_code_7_registers_nothing_and_resumes(spark, rows, tmp_path, victim):
    lake = filled(spark, rows, tmp_path)
    (tmp_path / "shop.yaml").write_text(SETTINGS.format(folder=tmp_path))
    log = tmp_path / "lake" / "models" / "run-1" / "full" / "training_log.jsonl"
    driver = job(tmp_path)
    wait_for(lambda: len(log_of(log)) >= 2, lambda: driver.poll() is not None)
    ranks = workers(psutil.Process(driver.pid))
    assert ranks.keys() == {0, 1}
    if victim == "horovodrun":
        [launcher] = [p for p in psutil.Process(driver.pid).children(True) if "--gloo" in p.cmdline()]
        launcher.send_signal(signal.SIGKILL)
    else:
        ranks[1].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    assert driver.wait(LONG) == 7
    assert time.monotonic() - killed < SECONDS
    _, alive = psutil.wait_procs(ranks.values(), timeout=1)
    assert not alive, "a training process outlives the job"
    assert not any(lake.exists(name) for name in ("tower_vectors", "training_log"))
    assert 2 <= len(log_of(log)) < EPOCHS
    assert job(tmp_path).wait(LONG) == 0
    assert [row["epoch"] for row in lake.read("training_log").orderBy("epoch").collect()] == [*range(1, EPOCHS + 1)]
    assert lake.read("tower_vectors").count() == USERS + ITEMS


USERS, ITEMS, EPOCHS = 30, 12, 60
SETTINGS = """
lake: {{path: {folder}/lake}}
spark: {{master: 'local[2]', driver_memory: 1g, shuffle_partitions: 2}}
coldstart:
  {{width: 8, hidden: [8], epochs: 60, patience: 60, batch_size: 8, processes: 2, launcher: horovodrun}}
"""


def filled(spark, rows, folder: Path) -> Lake:
    """What train_coldstart reads."""
    lake, commit = Lake(spark, f"{folder}/lake"), Commit("run-1", "full", "2024-02-01T00:00:00+00:00", "s")
    users = [{"user_idx": n, "attribute_idx": [n % 3 + 1], "history_idx": [n % ITEMS + 1, 0]} for n in range(USERS)]
    pairs = [(user, (user["user_idx"] + step) % ITEMS + 1) for user in users for step in range(5)]
    examples = [
        {"part": "validation" if item == 1 else "train", "item_idx": item, "weight": 1.0, **user}
        for user, item in pairs
    ]
    items = [
        {"item_idx": n + 1, "feature_idx": [n % 4 + 1], "dense": [float(n % 4)], "log_q": -2.5, "is_held_out": n == 0}
        for n in range(ITEMS)
    ]
    for name, given in (("examples", examples), ("users", users), ("items", items)):
        lake.overwrite(f"training_{name}", rows(f"training_{name}", *given).repartition(4), commit)
    return lake


def job(folder: Path) -> subprocess.Popen:
    """The step in a process of its own, as the command runs it."""
    command = [
        sys.executable,
        "-m",
        "jobs.cli",
        "train_coldstart",
        "--conf",
        f"{folder}/shop.yaml",
        "--run-id",
        "run-1",
    ]
    with (folder / "job.log").open("ab") as sink:
        return subprocess.Popen(command, stdout=sink, stderr=sink)

"""Training as a whole on the planted shop: in this process, and over launched processes."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from recsys_spark.coldstart import launch
from recsys_spark.coldstart.checkpoint import weights_sha256
from recsys_spark.coldstart.loop import Training
from recsys_spark.coldstart.ranks import Ranks
from recsys_spark.coldstart.spec import TrainingSpec
from recsys_spark.coldstart.train import run
from recsys_spark.errors import PrerequisiteError, TrainingError
from tests.coldstart.conftest import GROUPS, ITEMS, USERS, empty_examples, spec_of, trained_part

CHANCE = (10 / 48 + 10 / 192) / 2
"""Recall@10 of a list that does not know the taste: 48 new items, 192 known ones, all equally popular."""


def _log(spec: TrainingSpec) -> list[dict]:
    return [json.loads(line) for line in spec.metric_log.read_text(encoding="utf-8").splitlines()]


def test_the_planted_taste_is_found_for_new_users_and_items(once):
    best = max(line["validation_recall"] for line in _log(once[0]))
    assert best > 3 * CHANCE


def test_the_log_has_one_line_an_epoch_and_ends_with_equal_hashes(once):
    log = _log(once[0])
    assert [line["epoch"] for line in log] == list(range(1, len(log) + 1))
    best = min(log, key=lambda line: line["validation_loss"])
    assert once[1] == best["weights_sha256"]  # the weights of the best epoch are the ones that were exported
    assert launch.kept_epoch(log[::-1])["weights_sha256"] == once[1]


def test_every_user_and_item_has_one_vector(once):
    table = pq.read_table(once[0].vectors)
    side, idx = np.array(table["side"].to_pylist()), table["idx"].to_numpy()
    assert sorted(idx[side == "item"]) == list(range(ITEMS))
    assert sorted(idx[side == "user"]) == list(range(USERS))
    vectors = np.array(table["vector"].to_pylist())
    lengths = np.where(side == "item", 1.0, 1 / once[0].temperature)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), lengths, rtol=1e-4)


def test_a_new_user_and_new_items_score_by_taste(once):
    """The last user has no history, and a fifth of the items no training example."""
    table = pq.read_table(once[0].vectors).to_pandas().set_index(["side", "idx"])["vector"]
    new_user, items = USERS - 1, np.arange(4, ITEMS, 5)
    scores = np.stack(table.loc["item"].loc[items].tolist()) @ table[("user", new_user)]
    own = items % GROUPS == new_user % GROUPS
    assert scores[own].min() > np.median(scores[~own])


def test_a_resumed_training_ends_like_an_undisturbed_one(once, spec_in, tmp_path):
    spec = spec_in(tmp_path)
    cut_short = Stop(spec, after=3)
    with pytest.raises(KeyboardInterrupt):
        cut_short.run()
    assert len(_log(spec)) == 3
    digest = run(spec, Ranks())
    undisturbed, resumed = _log(once[0]), _log(spec)
    assert [line["epoch"] for line in resumed] == [line["epoch"] for line in undisturbed]
    np.testing.assert_allclose([line["loss"] for line in resumed], [line["loss"] for line in undisturbed], rtol=1e-3)
    assert digest in {line["weights_sha256"] for line in resumed}


class Stop:
    """A training that is interrupted when a checkpoint has been written."""

    def __init__(self, spec: TrainingSpec, after: int) -> None:
        self.spec, self.after = spec, after

    def run(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            recorded = Training._recorded

            def stop(training, progress, line):
                found = recorded(training, progress, line)
                if found.epoch == self.after:
                    raise KeyboardInterrupt
                return found

            patch.setattr(Training, "_recorded", stop)
            run(self.spec, Ranks())


def test_two_ranks_agree_and_reach_what_one_reaches(once, spec_in, tmp_path):
    spec = spec_in(tmp_path)
    trained = launch.train(spec, 2, "horovodrun", timeout_minutes=2)
    assert {line["ranks"] for line in trained.log} == {2}
    digests = [line.split()[-1] for line in (tmp_path / "processes.log").read_text().splitlines() if "weights" in line]
    assert len(digests) == 2
    assert len(set(digests)) == 1
    reached, single = (max(line["validation_recall"] for line in log) for log in (trained.log, _log(once[0])))
    assert abs(reached - single) < 0.1
    assert pq.read_table(trained.vectors).num_rows == USERS + ITEMS
    assert [path.name for path in trained.weights.iterdir()] == ["part-00000.parquet"]  # rank 0 alone writes them


def test_where_nothing_is_found_the_last_epoch_is_kept(planted, tmp_path):
    """Without validation examples, as of a shop too small to hold anything out, no epoch is better than the next."""
    files = (trained_part(planted, tmp_path),)
    spec = spec_of(planted, tmp_path, example_files=files, epochs=3, patience=1)
    digest = run(spec, Ranks())
    log = _log(spec)
    assert [(line["validation_loss"], line["validation_recall"]) for line in log] == [(None, None)] * 3
    assert digest == log[-1]["weights_sha256"] == launch.kept_epoch(log)["weights_sha256"]


def test_what_is_kept_is_an_average_of_the_epochs(planted, tmp_path, monkeypatch):
    ends = []
    recorded = Training._recorded

    def remembered(training, progress, line):
        ends.append([[v.numpy() for v in variables] for variables in (training.weights, training.averages)])
        return recorded(training, progress, line)

    monkeypatch.setattr(Training, "_recorded", remembered)
    files = (trained_part(planted, tmp_path),)
    digest = run(spec_of(planted, tmp_path, example_files=files, epochs=3, patience=1), Ranks())
    for variable, kept in enumerate(ends[-1][1]):
        first, second, third = (weights[variable] for weights, _ in ends)
        np.testing.assert_allclose(kept, first / 4 + second / 4 + third / 2, rtol=1e-5, atol=1e-7)
    assert any(np.abs(weight - average).max() > 1e-3 for weight, average in zip(*ends[-1], strict=True))
    assert digest == weights_sha256([tf.Variable(average) for average in ends[-1][1]])


def test_the_kept_epoch_is_the_first_of_the_lowest_loss():
    log = [{"epoch": e, "validation_loss": x} for e, x in ((3, 0.1), (1, 0.2), (2, 0.1))]
    assert launch.kept_epoch(log)["epoch"] == 2
    assert launch.kept_epoch([{**line, "validation_loss": None} for line in log])["epoch"] == 3
    with pytest.raises(TrainingError, match="training_log: found no rows"):
        launch.kept_epoch([])


def test_a_loss_that_is_no_number_ends_the_training(planted, tmp_path):
    spec = spec_of(planted, tmp_path, learning_rate=1e38, epochs=2)
    with pytest.raises(TrainingError, match=r"epoch \d: found losses of .*nan.*\. Lower coldstart\.learning_rate"):
        run(spec, Ranks())


def test_nothing_to_train_on_is_one_clear_error(planted, tmp_path):
    spec = spec_of(planted, tmp_path, example_files=(empty_examples(tmp_path),))
    with pytest.raises(TrainingError, match=r"found no training examples .* Set coldstart.enabled to false"):
        run(spec, Ranks())


def test_a_failed_training_tells_its_last_lines(tmp_path):
    spec = TrainingSpec(
        example_files=(), user_files=(), item_files=("file:///nowhere/items.parquet",), folder=str(tmp_path)
    )
    with pytest.raises(TrainingError, match=r"(?s)^training ended with code 1, expected 0.*nowhere"):
        launch.train(spec, 1, "single", timeout_minutes=1)


def test_a_training_past_its_time_is_ended(spec_in, tmp_path):
    with pytest.raises(TrainingError, match=r"took more than coldstart\.timeout_minutes, 0\.01"):
        launch.train(spec_in(tmp_path), 1, "single", timeout_minutes=0.01)


def test_a_training_waits_for_the_processes_of_another_in_its_folder(tmp_path):
    with launch.alone_in(tmp_path) as lock:
        orphan = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    entered = threading.Event()

    def enter() -> None:
        with launch.alone_in(tmp_path):
            entered.set()

    waiting = threading.Thread(target=enter)
    waiting.start()
    assert not entered.wait(0.5)
    orphan.communicate(b"end")
    assert entered.wait(10)
    waiting.join()


def test_the_command_follows_the_launcher(monkeypatch):
    path = Path("spec.json")
    assert launch.command(path, 1, "auto")[:3] == [sys.executable, "-m", "jobs.train_worker"]
    assert launch.command(path, 1, "single", "--score")[-1] == "--score"
    assert launch.command(path, 3, "auto")[1:6] == ["-np", "3", "--gloo", "-H", "localhost:3"]
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    assert launch.command(path, 3, "auto")[0] == sys.executable
    with pytest.raises(PrerequisiteError, match=r"set coldstart\.launcher to single"):
        launch.command(path, 2, "horovodrun")

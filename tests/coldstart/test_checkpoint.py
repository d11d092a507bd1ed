from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from recsys_spark.coldstart.checkpoint import Checkpoints, Progress
from recsys_spark.errors import TrainingError


def _saved(folder: Path) -> Checkpoints:
    found = Checkpoints(folder, "spec")
    for epoch, best in ((1, 1), (2, 1), (3, 1)):
        found.save(Progress(epoch, best, 0.5, ({"epoch": epoch},)), [tf.Variable([1.0 * epoch, 2.0])])
    return found


def test_only_the_last_and_the_best_epoch_stay(tmp_path):
    found = _saved(tmp_path)
    assert found.progress() == Progress(3, 1, 0.5, ({"epoch": 3},))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch-0001.h5", "epoch-0003.h5", "manifest.json"]
    variable = tf.Variable([0.0, 0.0])
    found.restore(1, [variable])
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])


def test_another_spec_starts_anew(tmp_path):
    _saved(tmp_path)
    assert Checkpoints(tmp_path, "other").progress() == Progress()


def test_a_damaged_file_is_refused(tmp_path):
    found = _saved(tmp_path)
    (tmp_path / "epoch-0003.h5").write_bytes(b"damaged")
    with pytest.raises(TrainingError, match=r"expected [0-9a-f]{64}; delete"):
        found.restore(3, [tf.Variable([0.0, 0.0])])


def test_another_shape_is_refused(tmp_path):
    with pytest.raises(TrainingError, match=r"found an array \(2,\), expected \(3,\)"):
        _saved(tmp_path).restore(3, [tf.Variable([0.0, 0.0, 0.0])])


def test_a_broken_manifest_is_one_clear_error(tmp_path):
    found = _saved(tmp_path)
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(TrainingError, match="is no manifest"):
        found.progress()

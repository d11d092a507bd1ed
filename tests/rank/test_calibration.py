"""Calibration on candidates whose probability is known."""

from __future__ import annotations

import numpy as np
import pytest
from planted import examples_of

from recsys_spark.rank.calibration import calibrate


def test_calibration_recovers_a_planted_probability():
    rng = np.random.default_rng(1)
    score = rng.normal(size=(300, 60, 1))
    label = rng.random((300, 60)) < 1 / (1 + np.exp(-(1.5 * score[:, :, 0] - 2.0)))
    slope, intercept = calibrate(examples_of(score, label), np.ones(1))
    assert slope == pytest.approx(1.5, abs=0.1)
    assert intercept == pytest.approx(-2.0, abs=0.1)


def test_a_negative_that_stands_for_many_lowers_the_probability():
    score, label = np.zeros((1, 2, 1)), np.array([[True, False]])
    light = calibrate(examples_of(score, label), np.ones(1))
    heavy = calibrate(examples_of(score, label, weight=np.array([[1.0, 99.0]])), np.ones(1))
    assert light[1] == pytest.approx(0.0, abs=1e-3)
    assert 1 / (1 + np.exp(-heavy[1])) == pytest.approx(2 / 102, rel=1e-2)  # one pseudo-observation on each side


def test_pairs_taken_before_the_window_do_not_count_either_way():
    score, label = np.zeros((1, 4, 1)), np.array([[True, True, True, False]])
    window = np.array([[True, False, False, False]])
    assert calibrate(examples_of(score, label, window), np.ones(1))[1] == pytest.approx(0.0, abs=1e-3)


def test_slope_stays_above_0_where_the_score_misleads():
    score = np.array([[[0.0], [1.0]]])
    assert calibrate(examples_of(np.repeat(score, 50, 0), np.tile([[True, False]], (50, 1))), np.ones(1))[0] > 0

from dataclasses import replace

import pytest
from pydantic import ValidationError

from recsys_spark.coldstart.spec import TrainingSpec
from recsys_spark.config.learning import ColdStartSettings
from recsys_spark.config.ranking import BacktestSettings

OPEN = TrainingSpec(example_files=(), user_files=(), item_files=(), folder="unused")


@pytest.mark.parametrize(
    ("n_steps", "schedule"),
    [
        pytest.param(1, (60, 400), id="tiny data: epochs are bounded"),
        pytest.param(30, (50, 14), id="little data: as many epochs as the steps need"),
        pytest.param(146, (12, 3), id="usual data"),
        pytest.param(10_000, (12, 3), id="much data"),
    ],
)
def test_what_is_not_set_is_counted_in_steps(n_steps, schedule):
    assert OPEN.schedule(n_steps) == schedule


def test_what_is_set_counts():
    assert replace(OPEN, epochs=5).schedule(30) == (5, 14)
    assert replace(OPEN, patience=2).schedule(30) == (50, 2)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param({"seed": -1}, "greater than or equal to 0", id="NumPy takes no such seed"),
        pytest.param({"seed": 2**31}, "less than 2147483648", id="nor, an epoch later, one of 32 bits"),
        pytest.param({"hidden": [64, 0]}, "greater than or equal to 1", id="a layer without units"),
        pytest.param({"batch_size": 3, "processes": 2}, "batch_size of 4 or more, or fewer processes", id="lone rows"),
    ],
)
def test_settings_that_nothing_can_be_trained_with_are_refused(given, why):
    with pytest.raises(ValidationError, match=why):
        ColdStartSettings(**given)


def test_the_search_of_trials_takes_no_seed_that_numpy_refuses():
    with pytest.raises(ValidationError, match="less than 2147483648"):
        BacktestSettings(seed=2**31)


def test_two_rows_for_each_process_are_enough():
    assert ColdStartSettings(batch_size=4, processes=2, seed=2**31 - 1, hidden=[1]).processes == 2

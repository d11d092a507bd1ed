from dataclasses import replace

import pytest

from recsys_spark.coldstart.spec import TrainingSpec

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

import runpy
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pyspark.sql
import pytest

import recsys_spark.lake
import recsys_spark.session

TOURS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))


class Widgets(dict):
    """Widgets as dbutils has them: ``text`` makes one with its default, unless someone has set it."""

    def text(self, name, default):
        self.setdefault(name, default)

    def get(self, name):
        return self[name]


@pytest.fixture
def toured(monkeypatch):
    """Runs a tour where nothing is computed; gives the lake's path that it opened and the tables that it read."""

    def run(tour, **known):
        made = MagicMock()
        monkeypatch.setattr(recsys_spark.session, "open_session", MagicMock())
        monkeypatch.setattr(recsys_spark.lake, "Lake", made.lake)
        monkeypatch.setattr(recsys_spark.lake, "current_release", made.release)
        monkeypatch.setattr(pyspark.sql, "functions", MagicMock())
        made.release.return_value.as_of.__format__ = lambda self, spec: "2024-06-01"
        runpy.run_path(str(tour), init_globals=known)
        return made.lake.call_args.args[1], [call.args[1] for call in made.release.return_value.read.call_args_list]

    return run


@pytest.mark.parametrize("tour", TOURS, ids=lambda path: path.name)
def test_a_tour_opens_the_lake_of_its_widget_else_that_of_the_environment(tour, toured, monkeypatch):
    monkeypatch.delenv("RECSYS_LAKE", raising=False)
    assert toured(tour)[0] == "lake"
    monkeypatch.setenv("RECSYS_LAKE", "/data/lake")
    assert toured(tour)[0] == "/data/lake"
    assert toured(tour, dbutils=SimpleNamespace(widgets=Widgets()))[0] == "/data/lake"
    widgets = Widgets(RECSYS_LAKE="/Volumes/lake")
    assert toured(tour, dbutils=SimpleNamespace(widgets=widgets))[0] == "/Volumes/lake"


def test_the_training_that_is_shown_is_the_one_that_held_examples_out(toured):
    _, read = toured(next(tour for tour in TOURS if tour.name.startswith("02")))
    assert "backtest/training_log" in read
    assert "training_log" not in read

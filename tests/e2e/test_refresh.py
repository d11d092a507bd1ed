"""What a refresh on a cluster leaves behind, seen by those who read it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import functions as F

from jobs import backtest, cli, refresh
from recsys_spark.lake import Lake, current_release
from tests.e2e.conftest import CHECKOUT, NEW_ITEMS, NEW_USERS

SHELVES = {"for_you", "established", "new_arrivals"}
HOUSEHOLDS = 2_469


@pytest.fixture(scope="module")
def lake(spark, refreshed):
    return Lake(spark, str(refreshed.lake))


@pytest.fixture(scope="module")
def release(lake):
    return current_release(lake)


def test_everybody_has_ten_rows_on_every_shelf(lake, release):
    lists = release.read(lake, "recommendations").groupBy("user_id", "shelf").agg(F.count("*").alias("n"))
    short = lists.where("n != 10").count()
    users = {r.shelf: r.users for r in lists.groupBy("shelf").agg(F.countDistinct("user_id").alias("users")).collect()}
    assert short == 0
    assert users == dict.fromkeys(SHELVES, HOUSEHOLDS + len(NEW_USERS))


def test_users_without_events_are_served_by_the_cold_route_with_a_reason(lake, release):
    lists = release.read(lake, "recommendations").where(F.col("user_id").isin(NEW_USERS))
    found = lists.select("user_id", "route", (F.length("reason") > 0).alias("told")).distinct().collect()
    assert {r.user_id for r in found} == set(NEW_USERS)
    assert {(r.route, r.told) for r in found} == {("cold", True)}


def test_items_without_events_have_an_audience_and_fill_the_new_shelf(lake, release):
    audiences = release.read(lake, "item_audiences").groupBy("item_id").agg(F.count("*").alias("n")).collect()
    assert {r.item_id: r.n for r in audiences} == dict.fromkeys(NEW_ITEMS, 100)
    shelf = release.read(lake, "recommendations").where("shelf = 'new_arrivals'").select("item_id").distinct()
    assert {r.item_id for r in shelf.collect()} == set(NEW_ITEMS)


def test_evidence_adds_up_and_scores_are_probabilities_in_order(lake, release):
    lists = release.read(lake, "recommendations")
    # Scorers that speak against an item are shown too; those that speak for it share the evidence.
    share = F.aggregate(F.map_values("evidence"), F.lit(0.0), lambda a, b: a + F.greatest(b, F.lit(0.0)))
    bounds = lists.agg(F.min("score"), F.max("score"), F.count_if(F.abs(share - 1) > 0.01).alias("off")).first()
    assert 0 <= bounds[0] <= bounds[1] <= 1
    assert bounds.off == 0
    first, tenth = (lists.where(F.col("rank") == place).agg(F.avg("score")).first()[0] for place in (1, 10))
    assert first > tenth


def test_both_folds_were_trained_by_two_ranks(lake, release):
    for name in ("training_log", "backtest/training_log"):
        assert {r.ranks for r in release.read(lake, name).select("ranks").collect()} == {2}
    assert len(release.model_sha256) == 64


def test_cleaning_balances(lake, release):
    counts = {(r.source_table, r.measure): r.row_count for r in release.read(lake, "data_quality").collect()}
    for table in ("events", "users", "items"):
        parts = sum(counts[table, part] for part in ("clean", "quarantined", "duplicates"))
        assert counts[table, "input"] == parts > 0


def test_the_lists_beat_popularity_for_known_users(lake, release):
    metrics = release.read(lake, "backtest/metrics").where("bucket = 'all'").where("metric = 'ndcg'")
    found = {(r.model, r.slice): r.value for r in metrics.collect()}
    for slice_ in ("warm", "cold_item"):
        assert found["recsys", slice_] > found["popularity", slice_]
    assert found["recsys", "cold_user"] > 0.8 * found["popularity", "cold_user"]


def test_running_it_again_changes_nothing(lake, release, refreshed):
    before = {name: lake.commits(name) for name in ("recommendations", "releases", "events")}
    assert refresh.main(refreshed.arguments()) == 0
    assert {name: lake.commits(name) for name in before} == before


def test_other_settings_under_the_same_run_id_are_refused(lake, release, refreshed, capsys):
    assert refresh.main(refreshed.arguments("--set", "als.rank=8")) == 2
    assert "started with other settings" in capsys.readouterr().err
    assert current_release(lake) == release


def test_the_backtest_shown_again_shows_the_same_figures(lake, release, refreshed, tmp_path):
    again = tmp_path / "again.html"
    assert backtest.main(refreshed.arguments("--report", str(again))) == 0
    assert again.read_text() == (refreshed.lake / "report.html").read_text()


@pytest.mark.parametrize(
    ("override", "code", "told"),
    [
        ("source.events.path=/no/such/file.parquet", 4, "/no/such/file.parquet"),
        ("source.events.columns.user_id=customer", 3, "customer"),
        ("profiles.half_life=3", 2, "half_life"),
        ("backtest.k=0", 2, "backtest.k"),
    ],
)
def test_bad_input_is_one_message_and_leaves_the_release(lake, release, refreshed, capsys, override, code, told):
    found = refresh.main(["--conf", str(refreshed.conf), "--run-id", "bad", "--set", override])
    error = capsys.readouterr().err
    assert (found, told in error, "Traceback" in error) == (code, True, False)
    assert current_release(lake) == release


def test_the_report_is_one_self_contained_page(refreshed):
    page = (refreshed.lake / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "recsys" in page


def test_show_and_export_read_the_release(refreshed, capsys, tmp_path):
    assert cli.main(["show", "user", NEW_USERS[0], "--conf", str(refreshed.conf)]) in (0, None)
    portrait = capsys.readouterr().out
    assert "for_you" in portrait
    assert "cold" in portrait
    out = tmp_path / "lists.parquet"
    cli.main(["export", "recommendations", "--format", "parquet", "--out", str(out), "--conf", str(refreshed.conf)])
    exported = pd.read_parquet(out)
    assert len(exported) == (HOUSEHOLDS + 10) * 10 * len(SHELVES)


@pytest.mark.parametrize("tour", sorted(p.name for p in (CHECKOUT / "notebooks").glob("*.py")))
def test_notebooks_run_from_top_to_bottom(refreshed, spark, tour, monkeypatch, capsys):
    monkeypatch.setenv("RECSYS_LAKE", str(refreshed.lake))
    names = runpy.run_path(str(CHECKOUT / "notebooks" / tour))
    assert names["release"].run_id == refreshed.run_id
    assert "+---" in capsys.readouterr().out


def test_progress_names_each_step_with_its_number(refreshed):
    assert "[1/17] ingest" in refreshed.log
    assert "[17/17] recommend" in refreshed.log
    assert Path(refreshed.lake).is_dir()

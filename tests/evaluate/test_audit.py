import pytest

from recsys_spark.evaluate.audit import falls, findings, headline
from tests.frames import local_frame


@pytest.fixture
def no_gaps(spark):
    return local_frame(spark, [], "shelf string, expected int, short_users bigint")


def row(rank, item, score=0.5):
    return {"shelf": "for_you", "user_id": "u", "rank": rank, "item_id": item, "score": score}


def test_sound_lists_have_no_findings(rows, no_gaps):
    lists = rows("recommendations", row(1, "a"), row(2, "b"))
    assert findings(lists, rows("item_audiences", {"item_id": "c", "score": 0.5}), no_gaps) == []


def test_every_fault_is_listed(rows, spark):
    lists = rows("recommendations", row(1, "a"), row(1, "b", float("nan")), row(2, "a", float("inf")))
    audiences = rows("item_audiences", {"item_id": "c", "score": float("-inf")})
    gaps = local_frame(spark, [("for_you", 10, 3)], "shelf string, expected int, short_users bigint")
    assert findings(lists, audiences, gaps) == [
        "recommendations: 2 rows without a finite score",
        "item_audiences: 1 rows without a finite score",
        "recommendations: 1 rows share shelf, user and rank with another",
        "recommendations: 1 rows repeat an item on a user's shelf",
        "shelf for_you: 3 users have fewer than 10 rows",
    ]


def test_no_rows_is_a_finding(rows, no_gaps):
    assert findings(rows("recommendations"), rows("item_audiences"), no_gaps) == ["recommendations: no rows"]


def test_a_fall_beyond_the_allowed_share_is_a_finding_and_so_is_nan():
    before = {"users": 100.0, "items": 10.0, "events": 10.0, "gone": 5.0}
    found = {"users": 50.0, "items": 4.0, "events": float("nan"), "new": 0.0}
    assert [line.split(":")[0] for line in falls("rows", found, before, 0.5, "s")] == [
        "rows of events",
        "rows of items",
    ]
    assert falls("rows", {"users": 0.0}, before, 1.0, "s") == []


def test_headline_takes_the_whole_models_figures_at_k(rows):
    metrics = rows(
        "metrics",
        {"model": "recsys", "slice": "warm", "bucket": "all", "metric": "ndcg", "k": 10, "value": 0.25, "high": 0.3},
        {"model": "recsys", "slice": "warm", "bucket": "1", "metric": "ndcg", "k": 10, "value": 0.5},
        {"model": "popularity", "slice": "warm", "bucket": "all", "metric": "ndcg", "k": 10, "value": 0.1},
        {"model": "recsys", "slice": "warm", "bucket": "all", "metric": "novelty", "k": 10, "value": 9.0},
    )
    assert headline(metrics, 10) == {"warm/ndcg@10": 0.25}
    assert headline(metrics, 10, at_best=True) == {"warm/ndcg@10": 0.3}


def test_an_interval_below_its_figure_is_no_fall(rows):
    """The bootstrap of four users, of whom two have a hit, may not draw as many again."""
    of_few = {"value": 0.5, "low": 0.0, "high": 0.33}
    metrics = rows(
        "metrics", {"model": "recsys", "slice": "warm", "bucket": "all", "metric": "ndcg", "k": 10, **of_few}
    )
    assert falls("metric", headline(metrics, 10, at_best=True), headline(metrics, 10), 0.2, "s") == []

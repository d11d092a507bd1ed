import pytest

from recsys_spark.evaluate.comparison import (
    TIE_BREAK,
    candidate_items,
    candidates_by_slice,
    contenders,
    full_lists,
    judged_lists,
)
from recsys_spark.evaluate.summary import summary
from tests.frames import local_frame


def weight(scorer, value):
    return {
        "route": "warm",
        "item_group": "new",
        "scorer": scorer,
        "scale": 2.0,
        "weight": value,
        "slope": 3.0,
        "intercept": -1.0,
        "n_users": 9,
    }


def test_contenders_are_recsys_each_scorer_alone_and_each_used_one_left_out():
    found = contenders([weight("habit", 0.5), weight("popularity", 0.25), weight("deep", 0.0)])
    assert set(found) == {"recsys", "own habit", "popularity", "only deep", "without habit", "without popularity"}
    assert found["recsys"][0] == weight("habit", 0.5)
    assert [r["weight"] for r in found["own habit"]] == [1, TIE_BREAK, 0]
    assert [r["weight"] for r in found["without habit"]] == [0, 0.25, 0]
    assert {(r["scale"], r["slope"], r["intercept"]) for r in found["only deep"]} == {(2.0, 1.0, 0.0)}
    assert {r["slope"] for r in found["without habit"]} == {3.0}


def test_a_single_scorer_is_not_left_out():
    assert set(contenders([weight("popularity", 1.0)])) == {"recsys", "popularity"}


@pytest.fixture
def truth(rows):
    return rows(
        "truth",
        *[
            {"slice": s, "user_id": u, "item_id": "x", "half": "report"}
            for s, u in (
                ("warm", "u"),
                ("cold_item", "u"),
                ("cold_user", "v"),
                ("cold_both", "v"),
                ("warm", "unserved"),
            )
        ],
    )


def test_each_slice_judges_the_lists_of_its_shelf(spark, truth):
    top = local_frame(
        spark,
        [
            ("recsys", "established", "u", 1, "a"),
            ("recsys", "new", "u", 1, "n"),
            ("recsys", "established", "w", 1, "a"),
            ("recsys", "new", "v", 1, "n"),
            ("popularity", "new", "v", 1, "m"),
        ],
        "variant string, shelf string, user_id string, rank int, item_id string",
    )
    lists = judged_lists(top, truth)
    assert sorted((r.model, r.slice, r.user_id, r.item_id) for r in lists.collect()) == [
        ("popularity", "cold_both", "v", "m"),
        ("recsys", "cold_both", "v", "n"),
        ("recsys", "cold_item", "u", "n"),
        ("recsys", "warm", "u", "a"),
    ]
    sizes = {"warm": 1, "cold_user": 1, "cold_item": 2, "cold_both": 2}
    covered = full_lists(lists, truth, 10, sizes).collect()
    assert {r.slice: (r.value, r.n_users) for r in covered} == {
        "warm": (1 / 2, 2),
        "cold_user": (0.0, 1),
        "cold_item": (0.0, 1),
        "cold_both": (0.0, 1),
    }


def test_candidates_are_items_that_somebody_met(rows):
    groups = {"a": "established", "hidden": "new", "never": "new"}
    blocks = rows("item_blocks", *[{"item_id": i, "item_group": g} for i, g in groups.items()])
    events = rows("events", *[{"event_id": i or "s", "item_id": i, "user_id": "u"} for i in ("a", "hidden", None)])
    found = candidate_items(blocks, events)
    assert sorted(map(tuple, found.collect())) == [("established", "a"), ("new", "hidden")]
    assert candidates_by_slice(found) == {"warm": 1, "cold_user": 1, "cold_item": 1, "cold_both": 1}


def test_the_summary_marks_the_best_of_each_row():
    rows = [
        {"model": m, "slice": "warm", "bucket": "all", "metric": "recall", "k": 10, "value": v, "n_users": 1234}
        for m, v in (("recsys", 0.25), ("own habit", 0.5), ("only deep", 0.75))
    ]
    table = summary(rows)
    assert [c.header for c in table.columns] == ["slice", "users", "metric", "recsys", "own habit"]
    assert [next(c.cells) for c in table.columns] == ["warm", "1,234", "recall", "0.2500", "[bold]0.5000[/]"]

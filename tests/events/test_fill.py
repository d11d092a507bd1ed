from __future__ import annotations

import pyarrow as pa
import pytest

from recsys_spark.config.describing import CleaningSettings
from recsys_spark.events.judge import judge_items, judge_users
from recsys_spark.events.knn import fill_rows

USERS = [
    {"user_id": "a", "measures": {"age": "20", "income": "10"}},
    {"user_id": "b", "measures": {"age": "30", "income": "20"}},
    {"user_id": "c", "measures": {"age": "70", "income": "90"}},
    {"user_id": "d", "measures": {"age": "72", "income": None}},
]


def measures(raw, **changed) -> dict[str, dict]:
    frame = judge_users(raw("users", *USERS), CleaningSettings(**changed))
    return {r["user_id"]: r.asDict() for r in frame.collect()}


@pytest.mark.parametrize(("method", "income"), [("constant", 0.0), ("mean", 40.0), ("median", 20.0), ("knn", 90.0)])
def test_a_missing_measure_is_filled_and_told(raw, method, income):
    found = measures(raw, fill_measures=method, fill_neighbours=1)
    assert found["d"]["measures"] == {"age": 72.0, "income": income}
    assert found["d"]["_changes"] == ["filled:income"]
    assert found["a"]["measures"] == {"age": 20.0, "income": 10.0}
    assert found["a"]["_changes"] == []


def test_none_leaves_it_out_and_drop_refuses_the_row(raw):
    assert measures(raw)["d"]["measures"] == {"age": 72.0}
    dropped = measures(raw, fill_measures="drop")
    assert {u: r["_reasons"] for u, r in dropped.items() if r["_reasons"]} == {"d": ["number_missing"]}


def test_a_missing_price_is_filled_but_never_scaled(raw):
    items = [{"item_id": "i1", "price": "4"}, {"item_id": "i2", "price": "8"}, {"item_id": "i3"}]
    frame = judge_items(raw("items", *items), CleaningSettings(fill_measures="mean", normalise_measures="minmax"))
    found = {r["item_id"]: (r["price"], r["measures"], r["_changes"]) for r in frame.collect()}
    assert found["i3"] == (6.0, {}, ["filled:price"])
    assert found["i1"] == (4.0, {}, [])


def test_measures_are_scaled(raw):
    assert measures(raw, normalise_measures="minmax")["b"]["measures"] == {"age": 10 / 52, "income": 10 / 80}
    standard = measures(raw, normalise_measures="standard")
    assert sum(r["measures"]["age"] for r in standard.values()) == pytest.approx(0.0, abs=1e-12)


def test_no_measures_at_all_is_nothing_to_fill(raw):
    for method in ("mean", "knn", "drop"):
        frame = judge_users(raw("users", {"user_id": "a"}), CleaningSettings(fill_measures=method))
        assert [(r["measures"], r["_reasons"]) for r in frame.collect()] == [({}, [])]


def test_attributes_decide_where_numbers_do_not():
    kind = pa.map_(pa.string(), pa.float64())
    schema = pa.schema([("key", pa.string()), ("numbers", kind), ("tokens", pa.list_(pa.string()))])
    references = pa.Table.from_pylist(
        [
            {"key": "r1", "numbers": [("w", 1.0)], "tokens": ["colour=red"]},
            {"key": "r2", "numbers": [("w", 9.0)], "tokens": ["colour=blue"]},
        ],
        schema,
    )
    rows = pa.Table.from_pylist(
        [{"key": "x", "numbers": [], "tokens": ["colour=blue"]}, {"key": "y", "numbers": [("w", 3.0)], "tokens": []}],
        schema,
    )
    assert fill_rows(rows, references, 1).to_pylist() == [{"key": "x", "fillers": [("w", 9.0)]}]

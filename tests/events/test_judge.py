from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from recsys_spark.config.describing import CleaningSettings
from recsys_spark.contracts.raw import UNPARSED
from recsys_spark.events.judge import judge_events, judge_items, judge_users
from recsys_spark.events.typed import as_id, as_timestamp
from tests.conftest import at
from tests.frames import local_frame

AS_OF = datetime(2024, 2, 1, tzinfo=UTC)

BROKEN = {
    "user_id_missing": {"user_id": " "},
    "item_id_missing": {"item_id": None},
    "event_type_missing": {"event_type": ""},
    "event_type_malformed": {"event_type": "add to cart!"},
    "ts_missing": {"ts": None},
    "ts_unparsable": {"ts": "12:30"},
    "ts_future": {"ts": "2999-01-01"},
    "ts_after_as_of": {"ts": "2024-02-01T12:00:00"},
    "price_unparsable": {"price": "cheap"},
    "price_not_finite": {"price": "NaN"},
    "price_negative": {"price": "-1"},
    "dwell_seconds_unparsable": {"dwell_seconds": "long"},
    "dwell_seconds_negative": {"dwell_seconds": "-3"},
    "quantity_unparsable": {"quantity": "some"},
    "quantity_not_finite": {"quantity": "Infinity"},
    "quantity_not_positive": {"quantity": "0"},
    "row_unparsable": {UNPARSED: "u1,i1,view"},
}


def judged_events(raw, *events: dict, **changed):
    settings = CleaningSettings(**changed)
    users, items = judge_users(raw("users"), settings), judge_items(raw("items"), settings)
    return judge_events(raw("events", *events), users, items, AS_OF, settings).collect()


def judged_items(raw, *items: dict, **changed) -> dict:
    return {r["item_id"]: r for r in judge_items(raw("items", *items), CleaningSettings(**changed)).collect()}


def test_each_broken_value_is_one_reason(raw):
    rows = judged_events(raw, *({**event, "session_id": name} for name, event in BROKEN.items()))
    found = {r["session_id"]: r["_reasons"] for r in rows}
    assert found == {name: [name] for name in BROKEN}


@pytest.mark.parametrize(("value", "text"), [("7", "7"), ("0", "0"), ("7.5", "7.500000000000000000")])
def test_whole_decimals_are_ids_without_their_zeros(spark, value, text):
    rows = spark.createDataFrame([(Decimal(value),)], "user_id decimal(38,18)")
    assert rows.select(as_id(rows, "user_id")).first()["user_id"] == text


def test_what_is_blank_around_a_kind_of_event_does_not_count(raw):
    (row,) = judged_events(raw, {"event_type": "\tPurchase\r\n"})
    assert (row["_reasons"], row["event_type"]) == ([], "purchase")


def test_a_row_tells_all_its_reasons_and_itself(raw):
    (row,) = judged_events(raw, {"user_id": None, "price": "-1", "ts": "soon"})
    assert row["_reasons"] == ["user_id_missing", "ts_unparsable", "price_negative"]
    assert json.loads(row["_raw_row"]) == {"item_id": "i1", "event_type": "view", "ts": "soon", "price": "-1"}


def test_a_row_that_the_reader_could_not_parse_is_kept_as_it_was(raw):
    (row,) = judged_events(raw, {"user_id": None, UNPARSED: "{broken"})
    assert (row["_reasons"], row["_raw_row"]) == (["row_unparsable"], "{broken")


def test_a_search_needs_no_item_and_text_is_trimmed(raw):
    (row,) = judged_events(raw, {"event_type": "Search", "item_id": None, "query_text": " red bag "})
    assert (row["event_type"], row["item_id"], row["query_text"], row["quantity"]) == ("search", None, "red bag", 1.0)
    assert row["_reasons"] == []


def test_equal_events_are_kept_once_and_null_is_not_empty(raw):
    # A price that is no number reads as none, so that the last two have equal columns: only one of them is accepted.
    rows = judged_events(raw, {"platform": "web"}, {"platform": "web"}, {"price": None}, {"price": "cheap"})
    assert sorted((r["platform"] or "", r["_duplicate"], len(r["_reasons"])) for r in rows) == [
        ("", False, 0),
        ("", False, 1),
        ("web", False, 0),
        ("web", True, 0),
    ]


def test_bulk_is_capped_and_an_unknown_dwell_is_not(raw):
    rows = judged_events(raw, {"quantity": "5000", "dwell_seconds": "99999"}, {"quantity": "100"})
    found = sorted((r["quantity"], r["dwell_seconds"], sorted(r["_changes"])) for r in rows if r["dwell_seconds"])
    assert found == [(100.0, 3600.0, ["capped:dwell_seconds", "capped:quantity"])]
    assert [r["_changes"] for r in rows if r["dwell_seconds"] is None] == [[]]


def test_bulk_is_refused_where_the_settings_say_so(raw):
    (row,) = judged_events(raw, {"quantity": "101"}, quantity_action="quarantine")
    assert row["_reasons"] == ["quantity_above_cap"]


@pytest.mark.parametrize(("action", "refused"), [("quarantine", 3), ("keep", 0)])
def test_bots_are_known_by_user_and_day(raw, action, refused):
    busy = [{"user_id": "bot", "ts": f"2024-01-02T00:00:0{n}"} for n in range(3)]
    calm = [{"user_id": "bot", "ts": "2024-01-03"}, {"user_id": "person"}]
    rows = judged_events(raw, *busy, *calm, max_events_per_user_day=2, bot_action=action)
    assert sum(r["_reasons"] == ["bot"] for r in rows) == refused
    assert sum(r["_reasons"] == [] for r in rows) == 5 - refused


def test_ids_that_pandas_made_floats_are_whole(spark):
    raw = local_frame(
        spark,
        [(900.0, {}, {}, None, None), (float("nan"), {}, {}, None, None), (0.5, None, None, None, None)],
        "user_id double, attributes map<string,array<string>>, measures map<string,string>, "
        f"_source_file string, {UNPARSED} string",
    )
    rows = judge_users(raw, CleaningSettings()).collect()
    assert sorted((r["user_id"] or "", r["_reasons"]) for r in rows) == [
        ("", ["user_id_missing"]),
        ("0.5", []),
        ("900", []),
    ]


def test_the_richest_of_several_users_stays(raw):
    users = [{"attributes": {"age": ["30"]}}, {"attributes": {"age": ["30"], "town": ["Ulm"]}}, {"attributes": {}}]
    rows = judge_users(raw("users", *users), CleaningSettings()).collect()
    assert [r["attributes"] for r in rows if not r["_duplicate"]] == [{"age": ["30"], "town": ["Ulm"]}]
    assert sum(r["_duplicate"] for r in rows) == 2


def test_blank_attribute_values_go_and_the_others_are_trimmed(raw):
    user = {"attributes": {"age": [" 30 ", "", None], "town": [" "], "eye": None}}
    (row,) = judge_users(raw("users", user), CleaningSettings()).collect()
    assert row["attributes"] == {"age": ["30"]}


def test_item_values_are_checked(raw):
    found = judged_items(
        raw,
        {"item_id": "a", "price": "NaN"},
        {"item_id": "b", "launch_ts": "someday"},
        {"item_id": "c", "available": "perhaps"},
        {"item_id": "d", "measures": {"weight": "heavy"}},
        {"item_id": "e", "available": "no", "measures": {"weight": "2.5"}},
    )
    reasons = {i: r["_reasons"] for i, r in found.items()}
    assert reasons == {
        "a": ["price_not_finite"],
        "b": ["launch_ts_unparsable"],
        "c": ["available_unparsable"],
        "d": ["measure_unparsable"],
        "e": [],
    }
    assert (found["e"]["available"], found["e"]["measures"]) == (False, {"weight": 2.5})


def test_items_are_excluded_by_category_brand_or_attribute(raw):
    excluded = {"category": ("Coupons",), "brand": ("Acme",), "kind": ("voucher",)}
    found = judged_items(
        raw,
        {"item_id": "a", "category_path": ["Shop", "Coupons"]},
        {"item_id": "b", "brand": "Acme"},
        {"item_id": "c", "attributes": {"kind": ["paper", "voucher"]}},
        {"item_id": "d", "category_path": ["Shop", "Tea"], "brand": "Leaf", "attributes": {"kind": ["good"]}},
        exclude_item_values=excluded,
    )
    assert sorted(i for i, r in found.items() if r["_reasons"] == ["item_excluded"]) == ["a", "b", "c"]


def test_a_repeated_event_is_counted_once_before_its_user_is_called_a_bot(raw):
    """Two events a day that seven overlapping exports hold each; a third one makes the other user a bot."""
    person = [{"user_id": "person", "ts": f"2024-01-02T00:00:0{n}"} for n in range(2)]
    bot = [{"user_id": "bot", "ts": f"2024-01-02T00:00:0{n}"} for n in range(3)]
    rows = judged_events(raw, *person * 7, *bot * 7, max_events_per_user_day=2)
    found = {(r["user_id"], *r["_reasons"]) for r in rows}
    assert found == {("person",), ("bot", "bot")}
    assert sum(r["user_id"] == "person" and not r["_duplicate"] for r in rows) == 2


def test_seconds_are_the_same_time_as_text_and_as_numbers(spark, raw):
    texts = ["1704164645", " 1704164645.0 ", "170416464"]
    times = [at("2024-01-02T03:04:05"), at("2024-01-02T03:04:05"), at("1975-05-27T09:54:24")]
    as_text = raw("events", *({"ts": text} for text in texts))
    as_number = local_frame(spark, [(float(text),) for text in texts], "ts double")
    for frame in (as_text, as_number):
        found = [r["ts"].replace(tzinfo=UTC) for r in frame.select(as_timestamp(frame, "ts").alias("ts")).collect()]
        assert found == times


@pytest.mark.parametrize("text", ["20240131", "2024013112", "202401311200", "12:30", "17041646450", "-1704164645"])
def test_other_numbers_are_no_seconds(raw, text):
    (row,) = judged_events(raw, {"ts": text})
    assert row["_reasons"] == ["ts_unparsable"]


@pytest.mark.parametrize(
    ("text", "known"), [("17850.0", "17850"), ("17850", "17850"), ("A1.0", "A1.0"), ("1.5", "1.5")]
)
def test_ids_that_pandas_wrote_as_floats_are_whole_in_text_too(raw, text, known):
    (user,) = judge_users(raw("users", {"user_id": text}), CleaningSettings()).collect()
    (event,) = judged_events(raw, {"user_id": text, "item_id": text})
    assert (user["user_id"], event["user_id"], event["item_id"]) == (known, known, known)

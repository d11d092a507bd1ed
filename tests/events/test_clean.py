from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import Row

from recsys_spark.config.describing import CleaningSettings
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import conform
from recsys_spark.errors import SourceError
from recsys_spark.events.clean import check_balance, clean, judge, require_events, settle

AS_OF = datetime(2024, 2, 1, tzinfo=UTC)


def cleaned(raw, events, users=(), items=(), **changed):
    return clean(raw("events", *events), raw("users", *users), raw("items", *items), AS_OF, CleaningSettings(**changed))


def reasons(result) -> list[tuple[str, ...]]:
    return sorted(tuple(sorted(r["reasons"])) for r in result.quarantine.collect())


def counts(result) -> dict[tuple[str, str], int]:
    return {(r["source_table"], r["measure"]): r["row_count"] for r in result.data_quality.collect()}


def ids(frame, column) -> set:
    return {r[column] for r in frame.select(column).collect()}


def test_each_table_matches_its_contract(raw):
    result = cleaned(raw, [{}])
    for name in ("events", "users", "items", "quarantine", "data_quality"):
        conform(table(name), getattr(result, name))


def test_unknown_ids_are_added_or_refused(raw):
    events = [{"user_id": "known"}, {"user_id": "stranger"}]
    masters = {"users": [{"user_id": "known"}], "items": [{"item_id": "i1"}]}
    added = cleaned(raw, events, **masters)
    assert sorted(r["user_id"] for r in added.users.collect()) == ["known", "stranger"]
    refused = cleaned(raw, events, **masters, unknown_ids="quarantine")
    assert reasons(refused) == [("user_unknown",)]
    assert [r["user_id"] for r in refused.users.collect()] == ["known"]


def test_excluded_items_go_with_their_events(raw):
    items = [
        {"item_id": "i1", "category_path": ["Shop", "Coupons"]},
        {"item_id": "i2", "category_path": ["Shop", "Tea"]},
    ]
    events = [{"item_id": "i1"}, {"item_id": "i2"}]
    result = cleaned(raw, events, items=items, exclude_item_values={"category": ("Coupons",)})
    assert [r["item_id"] for r in result.events.collect()] == ["i2"]
    assert [r["item_id"] for r in result.items.collect()] == ["i2"]
    assert reasons(result) == [("item_excluded",), ("item_excluded",)]


def test_no_usable_event_is_one_error_that_counts_the_reasons(raw):
    result = cleaned(raw, [{"price": "-1"}, {"price": "-2", "user_id": None}])
    expected = "none of 2 input rows is usable; refused for: price_negative 2, user_id_missing 1"
    with pytest.raises(SourceError, match=expected):
        require_events(result.data_quality.collect())


def test_control_characters_in_ids_do_not_make_two_events_one(raw):
    """Both would read a, b and c with the character that stands between columns."""
    events = [{"user_id": "a", "item_id": "b\u0001c"}, {"user_id": "a\u0001b", "item_id": "c"}]
    assert sorted(r["user_id"] for r in cleaned(raw, events).events.collect()) == ["a", "a\u0001b"]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from([None, "", "u1", "u2"]),
            "item_id": st.sampled_from([None, "i1", "i2", "i3"]),
            "event_type": st.sampled_from(["view", "search", "purchase", "?", None]),
            "ts": st.sampled_from(["2024-01-02", "2024-01-02T01:00:00", "2999-01-01", "never", None]),
            "price": st.sampled_from([None, "1", "NaN", "-1", "x"]),
            "quantity": st.sampled_from([None, "1", "0", "1e9"]),
        }
    ),
    max_size=12,
)
MASTERS = st.lists(st.sampled_from(["u1", "u2", "i1", "i2", None, " "]), max_size=4)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=ROWS, masters=MASTERS, unknown=st.sampled_from(["add", "quarantine"]))
def test_every_row_ends_in_one_place(raw, events, masters, unknown):
    users, items = raw("users", *({"user_id": m} for m in masters)), raw("items", *({"item_id": m} for m in masters))
    limits = CleaningSettings(unknown_ids=unknown, max_events_per_user_day=4)
    judged = judge(raw("events", *events), users, items, AS_OF, limits)
    frames = [frame.cache() for frame in (judged.events, judged.users, judged.items)]
    result = settle(judged)
    count, kept = counts(result), result.events.collect()
    users_there, items_there = ids(result.users, "user_id"), ids(result.items, "item_id") | {None}
    for frame in frames:
        frame.unpersist()
    check_balance(Row(source_table=t, measure=m, row_count=n) for (t, m), n in count.items())
    assert count["events", "input"] == len(events)
    assert count["users", "input"] == count["items", "input"] == len(masters)
    assert count["events", "clean"] == len(kept) == len({r["event_id"] for r in kept})
    assert all(r["user_id"] in users_there and r["item_id"] in items_there for r in kept)


def settled(raw, before, users=(), items=()):
    """What cleaning leaves of one event of u1 and i1 beside tables that hold rows already."""
    raws = raw("events", {}), raw("users", *users), raw("items", *items)
    return settle(judge(*raws, AS_OF, CleaningSettings()), before)


def test_who_is_known_already_gets_no_bare_row(raw, rows):
    known = {"users": rows("users", {"user_id": "u1"}), "items": rows("items", {"item_id": "i1"})}
    result = settled(raw, known)
    assert (result.users.count(), result.items.count()) == (0, 0)
    strangers = {"users": rows("users", {"user_id": "u2"}), "items": rows("items", {"item_id": "i2"})}
    result = settled(raw, strangers)
    assert (ids(result.users, "user_id"), ids(result.items, "item_id")) == ({"u1"}, {"i1"})


@pytest.mark.parametrize(
    ("items", "available"),
    [
        ([], True),
        ([{"price": "cheap", "available": "no"}], False),
        ([{"price": "cheap", "available": "yes"}], True),
        ([{"available": "perhaps"}], False),
        ([{"price": "cheap", "available": "no"}, {"price": "dear", "available": "yes"}], False),
        ([{"price": "cheap", "available": "no"}, {"available": "yes"}], True),
    ],
)
def test_an_item_whose_row_was_refused_is_as_available_as_the_row_says(raw, items, available):
    result = settled(raw, None, items=items)
    assert [r["available"] for r in result.items.collect()] == [available]
    assert [r["available"] for r in result.available.collect()] == ([available] if items else [])

from datetime import UTC, datetime

from recsys_spark.events.merge import changed_users, items_with_new, new_events, since, upserted, window_start
from tests.conftest import at


def ids(frame, column):
    return sorted(row[column] for row in frame.collect())


def test_a_window_begins_at_a_midnight():
    as_of = datetime(2024, 5, 10, 17, 30, tzinfo=UTC)
    assert window_start(as_of, 3.0) == datetime(2024, 5, 7, tzinfo=UTC)
    assert window_start(as_of, 0.0) == datetime(2024, 5, 10, tzinfo=UTC)


def test_events_of_the_window_and_unreadable_times_are_read(raw):
    times = ["2024-01-01T23:59:59", "2024-01-02T00:00:00", "2024-01-03", "yesterday", None]
    events = raw("events", *[{"user_id": f"u{n}", "ts": ts} for n, ts in enumerate(times)])
    assert ids(since(events, at("2024-01-02")), "user_id") == ["u1", "u2", "u3", "u4"]


def test_only_events_that_are_not_there_are_new(rows):
    before = rows("events", {"event_id": "a", "ts": at("2024-01-02")}, {"event_id": "old", "ts": at("2023-01-01")})
    found = rows("events", *[{"event_id": e, "ts": at("2024-01-02")} for e in ("a", "b")])
    assert ids(new_events(found, before, at("2024-01-02")), "event_id") == ["b"]


def test_users_that_the_source_dropped_stay_and_others_are_as_it_says_now(rows):
    before = rows("users", {"user_id": "gone", "measures": {"age": 1.0}}, {"user_id": "kept", "measures": {"age": 2.0}})
    now = rows("users", {"user_id": "kept", "measures": {"age": 3.0}}, {"user_id": "new"})
    found = {r.user_id: r.measures for r in upserted(now, before, "user_id").collect()}
    assert found == {"gone": {"age": 1.0}, "kept": {"age": 3.0}, "new": {}}


def test_known_items_change_nothing_but_whether_they_are_available(rows):
    before = rows(
        "items",
        {"item_id": "kept", "brand": "A", "available": True},
        {"item_id": "gone", "brand": "B", "available": True},
    )
    now = rows("items", {"item_id": "kept", "brand": "Z", "available": False}, {"item_id": "new", "available": True})
    found = {r.item_id: (r.brand, r.available) for r in items_with_new(now, now, before).collect()}
    assert found == {"kept": ("A", False), "gone": ("B", True), "new": (None, True)}


def test_a_known_item_is_withdrawn_by_a_row_that_was_refused(rows):
    before = rows("items", {"item_id": "known", "brand": "A", "available": True})
    said = rows("items", {"item_id": "known", "available": False})
    found = {r.item_id: (r.brand, r.available) for r in items_with_new(rows("items"), said, before).collect()}
    assert found == {"known": ("A", False)}


def test_changed_are_those_with_new_events_new_ids_or_other_attributes(rows):
    same = {"attributes": {"b": ["1", "2"], "a": ["3"]}, "measures": {"age": 1.0}}
    before = rows("users", *[{"user_id": user, **same} for user in ("same", "active", "other")], {"user_id": "bare"})
    turned = {"attributes": {"a": ["3"], "b": ["1", "2"]}, "measures": {"age": 1.0}}
    now = rows(
        "users",
        {"user_id": "same", **turned},
        {"user_id": "active", **same},
        {"user_id": "other", **same, "measures": {"age": 2.0}},
        {"user_id": "bare"},
        {"user_id": "new"},
    )
    added = rows("events", {"user_id": "active"}, {"user_id": "active"}, {"user_id": "new"})
    found = {r.user_id: r.reason for r in changed_users(added, now, before).collect()}
    assert found == {"active": "events", "new": "events", "other": "attributes"}

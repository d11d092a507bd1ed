from dataclasses import replace

import pytest
from pyspark.sql import functions as F

from recsys_spark.config.ranking import BacktestSettings
from recsys_spark.errors import SourceError
from recsys_spark.evaluate.splits import SplitPlan, plan_split, split
from tests.conftest import at

KEEP_ALL = BacktestSettings(cold_user_share=0.0, cold_item_share=0.0)
TIME = SplitPlan("time", at("2024-03-01"), described_only=False, purchases_only=True)
LAST = replace(TIME, method="last")


@pytest.fixture
def bought(rows):
    """Events from (user, item, day) or (user, item, day, type); item None is a search."""

    def build(*given):
        return rows(
            "events",
            *[
                {
                    "event_id": str(n),
                    "user_id": g[0],
                    "item_id": g[1],
                    "ts": at(g[2]),
                    "event_type": g[3] if len(g) > 3 else "purchase",
                }
                for n, g in enumerate(given)
            ],
        )

    return build


@pytest.fixture
def users(rows):
    return rows("users", {"user_id": "u1", "attributes": {"age": ["20"]}}, {"user_id": "u2", "attributes": {"age": []}})


def pairs(frame):
    return sorted((r.user_id, r.item_id) for r in frame.collect())


def truth_of(frame):
    return sorted((r.slice, r.user_id, r.item_id) for r in frame.collect())


def test_time_holds_out_from_the_cut_on(bought, users):
    events = bought(
        ("u1", "a", "2024-01-01"),
        ("u1", "b", "2024-02-01"),
        ("u2", "b", "2024-01-05"),
        ("u2", "a", "2024-03-01"),
        ("u2", "a", "2024-03-09"),
        ("u2", "b", "2024-03-02", "view"),
    )
    train, truth = split(events, users, TIME, KEEP_ALL, discovery_only=False)
    assert pairs(train) == [("u1", "a"), ("u1", "b"), ("u2", "b")]
    assert [(*r[:3], r.in_window) for r in truth.collect()] == [("warm", "u2", "a", True)]


def test_time_leaves_out_users_and_items_without_training_events(bought, users):
    events = bought(("u1", "a", "2024-01-01"), ("u1", "only_late", "2024-03-02"), ("late", "a", "2024-03-02"))
    _, truth = split(events, users, TIME, KEEP_ALL, discovery_only=False)
    assert truth.count() == 0


def test_discovery_leaves_out_what_was_bought_in_training(bought, users):
    events = bought(
        ("u1", "a", "2024-01-01"),
        ("u1", "a", "2024-03-02"),
        ("u1", "b", "2024-01-02", "view"),
        ("u1", "b", "2024-03-02"),
    )
    _, truth = split(events, users, TIME, KEEP_ALL, discovery_only=True)
    assert truth_of(truth) == [("warm", "u1", "b")]


def test_last_holds_out_each_users_last_day_if_there_is_an_earlier_one(bought, users):
    events = bought(
        ("u1", "a", "2024-01-01T09:00"),
        ("u1", "b", "2024-01-02T01:00"),
        ("u1", "a", "2024-01-02T23:00"),
        ("u1", None, "2024-01-02T08:00", "search"),
        ("u2", "b", "2024-01-01T01:00"),
        ("u2", "a", "2024-01-01T02:00"),
    )
    train, truth = split(events, users, LAST, KEEP_ALL, discovery_only=False)
    assert pairs(train) == [("u1", "a"), ("u2", "a"), ("u2", "b")]
    assert truth_of(truth) == [("warm", "u1", "a"), ("warm", "u1", "b")]


def test_last_in_discovery_removes_every_event_of_the_last_new_item(bought, users):
    events = bought(
        ("u1", "a", "2024-01-01"),
        ("u1", "b", "2024-01-02"),
        ("u1", "c", "2024-01-02"),
        ("u1", "c", "2024-01-09"),
        ("u1", "a", "2024-01-05"),
        ("u2", "c", "2024-01-01"),
    )
    train, truth = split(events, users, LAST, KEEP_ALL, discovery_only=True)
    assert pairs(train) == [("u1", "a"), ("u1", "a"), ("u1", "b"), ("u2", "c")]
    assert truth_of(truth) == [("warm", "u1", "c")]


def crowd(bought, days=("2024-01-01", "2024-01-02", "2024-04-01")):
    """40 users, 20 items, everyone with several items on several days, and a search."""
    return bought(
        *[(f"u{u:02}", f"i{(u * 3 + d * 7) % 20:02}", day) for u in range(40) for d, day in enumerate(days)],
        *[(f"u{u:02}", None, days[0], "search") for u in range(40)],
    )


@pytest.mark.parametrize(("plan", "discovery_only"), [(TIME, False), (LAST, True)])
def test_hidden_ids_leave_no_trace_in_training_and_fill_the_slices(bought, users, plan, discovery_only):
    settings = BacktestSettings(cold_user_share=0.3, cold_item_share=0.3, seed=3)
    train, truth = split(crowd(bought), users, plan, settings, discovery_only)
    found = truth.collect()
    hidden_users = {r.user_id for r in found if r.slice in ("cold_user", "cold_both")}
    hidden_items = {r.item_id for r in found if r.slice in ("cold_item", "cold_both")}
    learnt = train.select("user_id", "item_id").collect()
    users_left, items_left = {r.user_id for r in learnt}, {r.item_id for r in learnt if r.item_id}
    assert {r.slice for r in found} == {"warm", "cold_user", "cold_item", "cold_both"}
    assert not hidden_users & users_left
    assert not hidden_items & items_left
    for row in found:
        assert (row.user_id in hidden_users) == (row.slice in ("cold_user", "cold_both"))
        assert (row.item_id in hidden_items) == (row.slice in ("cold_item", "cold_both"))
        assert row.user_id in (hidden_users | users_left)
        assert row.item_id in (hidden_items | items_left)
    assert {r.half for r in found} == {"learn", "report"}
    assert {r.in_window for r in found} == {True, False}


def test_the_same_ids_are_hidden_however_the_rows_lie(bought, users):
    settings = BacktestSettings(cold_user_share=0.3, cold_item_share=0.3)
    events = crowd(bought)
    one = split(events, users, TIME, settings, False)[1]
    other = split(events.orderBy(F.desc("event_id")).repartition(7), users, TIME, settings, False)[1]
    assert sorted(map(tuple, one.collect())) == sorted(map(tuple, other.collect()))


def test_only_described_users_are_hidden_where_the_plan_says_so(bought, users):
    everyone = BacktestSettings(cold_user_share=1.0, cold_item_share=0.0)
    events = bought(("u1", "a", "2024-01-01"), ("u2", "a", "2024-01-01"), ("unlisted", "a", "2024-01-01"))
    train, truth = split(events, users, replace(TIME, described_only=True), everyone, discovery_only=False)
    assert pairs(train) == [("u2", "a"), ("unlisted", "a")]
    assert truth_of(truth) == [("cold_user", "u1", "a")]


def test_plan_cuts_time_where_users_span_the_cut_and_counts_purchases(bought, users):
    days = [f"2024-01-{d:02}" for d in range(1, 11)]
    spanning = bought(*[(u, f"i{d}", day) for u in ("u1", "u2") for d, day in enumerate(days)])
    plan = plan_split(spanning, users, BacktestSettings(holdout_share=0.1))
    assert (plan.method, plan.purchases_only) == ("time", True)
    assert at("2024-01-09") < plan.cut <= at("2024-01-10")
    assert plan.described_only  # one of two: half


@pytest.mark.parametrize(
    ("wanted", "share", "found"),
    [(400, 0.2, 0.4), (1, 0.2, 0.4), (1, 0.0, 0.0), (1, 0.7, 0.7)],
)
def test_a_small_shop_hides_more_users_but_never_most(bought, users, wanted, share, found):
    events = bought(*[(u, f"i{d}", f"2024-01-0{d}") for u in ("u1", "u2") for d in range(1, 5)])
    settings = BacktestSettings(cold_user_share=share, min_cold_users=wanted, holdout="last")
    assert plan_split(events, users, settings).cold_user_share == pytest.approx(found)


@pytest.mark.parametrize(
    ("given", "shares", "left"),
    [
        ([("u1", "i1"), ("u1", "i2")], (0.2, 0.0), (0.0, 0.0)),
        ([("u2", "i8"), ("u4", "i8")], (0.2, 0.2), (0.4, 0.0)),
        ([("u1", "i8")], (0.2, 0.2), (0.0, 0.0)),
        ([("u1", "i1"), ("u2", "i8")], (0.2, 0.2), (0.0, 0.2)),
    ],
    ids=["only user", "only item", "only user and item", "known users met hidden items alone"],
)
@pytest.mark.parametrize("holdout", ["time", "last"])
def test_nobody_is_hidden_where_that_would_leave_no_events(bought, users, given, shares, left, holdout):
    settings = BacktestSettings(cold_user_share=shares[0], cold_item_share=shares[1], holdout=holdout)
    events = bought(*[(*pair, day) for pair in given for day in ("2024-01-01", "2024-01-05")])
    plan = plan_split(events, users, settings)
    assert split(events, users, plan, settings, discovery_only=False)[0].count() > 0
    assert (plan.cold_user_share, plan.cold_item_share) == left


def test_plan_holds_out_the_last_day_where_few_users_span_the_cut(bought, users):
    short = bought(*[(f"v{d}", f"i{n}", f"2024-01-{d:02}", "view") for d in range(1, 11) for n in range(2)])
    plan = plan_split(short, users, BacktestSettings(holdout_share=0.1))
    assert (plan.method, plan.purchases_only, plan.described_only) == ("last", False, False)


def test_without_purchases_every_event_with_an_item_is_truth(bought, users):
    events = bought(
        ("u1", "a", "2024-01-01", "view"),
        ("u1", "b", "2024-01-01", "view"),
        ("u2", "b", "2024-01-01", "view"),
        ("u2", "a", "2024-03-02", "view"),
        ("u2", None, "2024-03-02", "search"),
    )
    _, truth = split(events, users, replace(TIME, purchases_only=False), KEEP_ALL, discovery_only=False)
    assert truth_of(truth) == [("warm", "u2", "a")]


def test_no_events_and_a_cut_before_all_events_are_refused(bought, rows, users):
    with pytest.raises(SourceError, match="table events is empty"):
        plan_split(rows("events"), users, BacktestSettings())
    same_time = bought(("u1", "a", "2024-01-01"), ("u2", "b", "2024-01-01"))
    with pytest.raises(SourceError, match=r"set backtest\.holdout to last"):
        plan_split(same_time, users, BacktestSettings(holdout="time"))

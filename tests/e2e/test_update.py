"""Some days later: an update serves who is new and who came back, and leaves all others as they were."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import functions as F

from jobs import refresh
from recsys_spark.contracts import ALL_TABLES
from recsys_spark.lake import Lake, current_release, release_of
from tests.e2e.conftest import NEW_ITEMS, Refreshed
from tests.e2e.later import LATER_ITEMS, LATER_USERS, copy_of, gone_item, live_on

EXACT = ("events", "users", "items", "interactions", "user_profiles", "item_vectors", "user_factors", "boosts")
"""Tables that the towers have no part in."""
TOWERS = {"tower_vectors": ("side", "idx"), "user_blocks": ("user_id",), "item_blocks": ("item_id",)}
"""Tables with vectors, and their keys: what a tower gives for a row hangs on the rows beside it in the last digits."""
LISTS = {"recommendations": ("shelf", "user_id", "rank", "item_id"), "item_audiences": ("item_id", "rank", "user_id")}


@pytest.fixture(scope="module")
def updated(refreshed, tmp_path_factory) -> tuple[Refreshed, list[str]]:
    """The shop after an update, and the known users who have new events."""
    shop = copy_of(refreshed, tmp_path_factory.mktemp("later"))
    active = live_on(shop.lake.parent, 0.01)
    update = ["--conf", str(shop.conf), "--run-id", "later", "--set", "refresh.full_every_days=7"]
    assert refresh.main(update) == 0
    return shop, active


@pytest.fixture(scope="module")
def lake(spark, updated):
    return Lake(spark, str(updated[0].lake))


@pytest.fixture(scope="module")
def before(lake):
    return release_of(lake, "e2e")


@pytest.fixture(scope="module")
def after(lake):
    return current_release(lake)


def test_all_that_was_learned_is_kept(before, after):
    learned = [name for name, contract in ALL_TABLES.items() if contract.learned]
    assert after.run_id == "later"
    assert {name: after.tables[name] for name in learned} == {name: before.tables[name] for name in learned}
    judged = [name for name in before.tables if name.startswith("backtest/")]
    assert {name: after.tables[name] for name in judged} == {name: before.tables[name] for name in judged}


def test_those_who_changed_are_told_from_all_others(lake, after, updated):
    changed = {r.user_id: r.reason for r in after.read(lake, "changed_users").collect()}
    assert changed == dict.fromkeys((*updated[1], *LATER_USERS), "events") | {"new-user-2": "attributes"}


def test_new_events_are_in_the_profiles_and_others_are_as_before(lake, before, after, updated):
    then, now = ({r.user_id: r for r in release.read(lake, "user_profiles").collect()} for release in (before, after))
    assert now.keys() == then.keys() | set(LATER_USERS)
    assert all(now[user].n_events > then[user].n_events for user in updated[1])
    assert all(now[user].recency_days == 0.0 for user in updated[1])
    same = then.keys() - set(updated[1]) - {"new-user-2"}
    assert all(now[user] == then[user] for user in same)
    assert {now[user].user_idx for user in LATER_USERS} == {len(then), len(then) + 1}


def test_new_users_and_items_are_served_and_an_item_that_is_gone_is_not(lake, after, updated):
    lists = after.read(lake, "recommendations")
    served = lists.where(F.col("user_id").isin(*LATER_USERS)).groupBy("user_id", "shelf").agg(F.count("*").alias("n"))
    assert {r.n for r in served.collect()} == {10}
    assert served.count() == 3 * len(LATER_USERS)
    listed = {r.item_id for r in lists.select("item_id").distinct().collect()}
    assert gone_item(updated[0].lake.parent) not in listed
    assert listed & set(LATER_ITEMS)
    shown_to = after.read(lake, "item_audiences").groupBy("item_id").agg(F.count("*").alias("n")).collect()
    assert {r.item_id: r.n for r in shown_to} == dict.fromkeys((*NEW_ITEMS, *LATER_ITEMS), 100)


def test_lists_of_known_items_stay_where_nothing_changed(lake, before, after, updated):
    """The shelf of items with events: only who changed, or had the item that is gone, can see another list."""
    changed = after.read(lake, "changed_users").select("user_id")
    names = ("user_id", "rank", "item_id", "score", "reason")
    then, now = (r.read(lake, "recommendations").where("shelf = 'established'") for r in (before, after))
    had_it = then.where(F.col("item_id") == gone_item(updated[0].lake.parent)).select("user_id")
    others = then.join(changed.union(had_it), "user_id", "left_anti")
    found = others.select(*names).subtract(now.select(*names))
    assert others.count() > 10_000
    assert found.count() == 0


@pytest.mark.faults
@pytest.mark.parametrize("share", [0.01, 0.05])
def test_an_update_gives_the_rows_of_everyone_described_and_scored_anew(spark, refreshed, tmp_path, share):
    sides = []
    for mode in ("update", "rescore"):
        shop = copy_of(refreshed, tmp_path / mode)
        live_on(shop.lake.parent, share)
        assert refresh.main(["--conf", str(shop.conf), "--run-id", "later", "--mode", mode]) == 0
        lake = Lake(spark, str(shop.lake))
        release = current_release(lake)
        sides.append({name: release.read(lake, name) for name in release.tables})
    for name in EXACT:
        assert set(sides[0][name].toJSON().collect()) == set(sides[1][name].toJSON().collect()), name
    for name, keys in (TOWERS | LISTS).items():
        value = "vector" if name in TOWERS else "score"
        one, other = ({tuple(r[k] for k in keys): r[value] for r in side[name].collect()} for side in sides)
        assert one.keys() == other.keys(), name
        np.testing.assert_allclose([one[k] for k in one], [other[k] for k in one], rtol=1e-5, atol=1e-6)
    assert sides[0]["changed_users"].count() < sides[1]["changed_users"].count() / 10

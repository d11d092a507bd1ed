import pytest

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import conform
from recsys_spark.profiles.profile import user_encoding, user_features, user_profiles
from tests.conftest import at

AS_OF = at("2024-01-11")
USERS = ("edge", "gone", "new", "searcher", "warm", "warming")


@pytest.fixture(scope="module")
def profiles(rows):
    """Rows by user: users of every state, and events of one who is no user."""
    users = rows("users", *[dict(user_id=u, attributes={"skin": ["dry"]}) for u in USERS[::-1]])
    pairs = [("warm", "a"), ("warm", "b"), ("warming", "a"), ("gone", "a"), ("gone", "b"), ("edge", "a")]
    search = dict(user_id="searcher", event_type="search", ts=AS_OF, query_text="serum", quantity=1.0)
    found = user_profiles(
        users,
        rows(
            "events",
            *[seen(user) for user in ("warm", "warming", "stranger")],
            *[seen("gone", "2023-12-01"), seen("edge", "2023-12-12"), search],
        ),
        rows("interactions", *[dict(user_id=user, item_id=item, strength=1.0) for user, item in pairs]),
        rows("items", dict(item_id="a", brand="X"), dict(item_id="b", brand="Y")),
        user_encoding(users, id_order=False),
        user_features(users, user_encoding(users, id_order=False), max_features=10, min_holders=1),
        AS_OF,
        kept=None,
        warm_from_items=2,
        inactive_after_days=30.0,
        half_life_days=10.0,
    )
    return {r.user_id: r for r in conform(table("user_profiles"), found).collect()}


def seen(user, day="2024-01-10"):
    return dict(user_id=user, item_id="a", event_type="view", ts=at(day), quantity=1.0)


def test_states_follow_items_and_recency(profiles):
    states = {u: r.state for u, r in profiles.items() if u != "searcher"}
    assert states == {"new": "cold", "warm": "warm", "warming": "warming", "gone": "inactive", "edge": "warming"}


def test_a_user_without_events_has_zeros_and_empty_maps(profiles):
    found = profiles["new"]
    assert (found.n_events, found.n_items, found.spend) == (0, 0, 0.0)
    assert found.category_shares == found.platform_shares == found.query_terms == {}
    assert found.recency_days is None
    assert (found.feature_idx, found.feature_value) == ([0], [1.0])


def test_a_user_who_only_searched_is_warming(profiles):
    found = profiles["searcher"]
    assert (found.state, found.n_items, found.query_terms) == ("warming", 0, {"serum": 1.0})


def test_every_user_has_one_position_and_events_of_strangers_add_no_row(profiles):
    assert {u: r.user_idx for u, r in profiles.items()} == {user: n for n, user in enumerate(USERS)}


def test_the_order_of_ids_is_a_feature_unless_it_is_switched_off(rows):
    users = rows("users", *[dict(user_id=f"u{n}") for n in range(1, 9)])
    for id_order, wanted in ((True, {f"user_id/8=bin_{n}" for n in range(1, 9)}), (False, set())):
        known = user_encoding(users, id_order=id_order)
        found = user_features(users, known, max_features=10, min_holders=1)
        assert {r.feature for r in found.collect()} == wanted


def test_features_hold_attributes_and_deciles_of_measures(rows):
    users = rows(
        "users",
        dict(user_id="a", attributes={"skin": ["dry"]}, measures={"age": 20.0}),
        dict(user_id="b", attributes={"skin": ["dry", "oily"]}, measures={"age": 60.0}),
    )
    found = conform(
        table("user_features"),
        user_features(users, user_encoding(users, id_order=False), max_features=10, min_holders=1),
    )
    assert [r.feature for r in found.orderBy("feature_idx").collect()] == [
        "skin=dry",
        "age=bin_1",
        "age=bin_10",
        "skin=oily",
    ]

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from scipy.special import expit

from recsys_spark.blocks.repeat import _fit, learn_repeat, repeat_boosts
from recsys_spark.blocks.rhythm import FEATURES
from recsys_spark.contracts.learned_tables import REPEAT_ITEMS, REPEAT_TREES
from recsys_spark.kernels.trees import Node
from tests.frames import boost_pairs

START = datetime(2024, 1, 1, tzinfo=UTC)
SETTINGS = dict(horizon_days=14.0, sample_pairs=100_000, seed=0)


def purchases(rows, bought):
    """Events from (user, item, day)."""
    return rows(
        "events",
        *[
            {
                "event_id": f"e{n}",
                "user_id": user,
                "item_id": item,
                "event_type": "purchase",
                "ts": START + timedelta(days=float(day)),
            }
            for n, (user, item, day) in enumerate(bought)
        ],
    )


@pytest.fixture(scope="module")
def grocer(rows):
    """60 users buy milk every week until the end, and each eight of 20 gadgets once."""
    rng = np.random.default_rng(0)
    bought = [(f"u{user:02}", "milk", 7 * week + user % 7) for user in range(60) for week in range(16)]
    gadgets = [(user, f"gadget{(user + g) % 20:02}") for user in range(60) for g in range(8)]
    bought += [(f"u{user:02}", gadget, int(rng.integers(0, 112))) for user, gadget in gadgets]
    return purchases(rows, bought)


@pytest.fixture(scope="module")
def learned(grocer):
    model = learn_repeat(grocer, **SETTINGS)
    return replace(model, items=model.items.persist())


def leaf(tree, node, value):
    return Node(tree, node, -1, 0.0, -1, -1, value)


def boosts(events, model, per_user=5):
    return sorted(boost_pairs(repeat_boosts(events, model.trees, model.items, model.now, per_user=per_user).collect()))


def test_what_is_bought_every_week_is_likelier_than_what_was_bought_once(grocer, learned):
    best = {}
    for row in boosts(grocer, learned):
        assert row.value >= 0
        best.setdefault(row.user_id, []).append((row.value, row.item_id))
    assert len(best) == 60
    assert all(max(found)[1] == "milk" and len(found) == 5 for found in best.values())


def test_what_is_learned_fits_its_tables(grocer, learned):
    latest = grocer.agg(F.max("ts").cast("double")).first()[0]
    assert learned.now == latest + 1
    assert list(Node._fields) == REPEAT_TREES.columns
    assert learned.trees[0][:6] == (0, 0, -1, 0.0, -1, -1)
    assert 0 < expit(learned.trees[0].value) < 1
    assert dict(learned.items.dtypes) == {field.name: field.type for field in REPEAT_ITEMS.fields}
    milk = learned.items.where("item_id = 'milk'").first()
    assert (milk.item_users, milk.item_repeat) == (60, 16)


def test_the_same_events_give_the_same_boosts(grocer, learned):
    again = learn_repeat(grocer, **SETTINGS)
    assert again.trees == learned.trees
    assert boosts(grocer, again) == boosts(grocer, learned)


def test_some_users_have_the_boosts_that_they_have_among_all(grocer, learned):
    everyone = boosts(grocer, learned)
    some = ("u03", "u17", "u42")
    expected = [row for row in everyone if row.user_id in some]
    assert len(expected) == 15
    assert boosts(grocer.where(F.col("user_id").isin(*some)), learned) == expected


def test_purchases_after_now_count_for_their_user_and_for_nobody_else(rows, grocer, learned):
    later = [("u03", item, day) for item in ("gadget15", "unheard of") for day in (140, 147, 154)]
    changed = boosts(grocer.unionByName(purchases(rows, later)), learned, per_user=50)
    before = boosts(grocer, learned, per_user=50)
    others = [[row for row in found if row.user_id != "u03"] for found in (changed, before)]
    assert others[0] == others[1]
    now, then = ({row.item_id: row.value for row in found if row.user_id == "u03"} for found in (changed, before))
    assert all(np.isfinite(list(now.values())))
    # What was not yet sold when the model learned is left out.
    assert set(now) == set(then) | {"gadget15"}


def test_a_value_is_the_likelihood_over_its_mean_as_of_the_own_later_purchases(rows, learned):
    twice = [("early", "milk", 0), ("early", "milk", 7), ("late", "milk", 0), ("late", "milk", 7)]
    events = purchases(rows, [*twice, ("late", "milk", 140)])
    asks_for_n = Node(1, 0, FEATURES.index("n"), 2.0, 1, 2, 0.0)
    trees = [leaf(0, 0, -1.0), asks_for_n, leaf(1, 1, -0.5), leaf(1, 2, 1.5)]
    found = boost_pairs(repeat_boosts(events, trees, learned.items, learned.now, per_user=5).collect())
    values = {row.user_id: row.value for row in found}
    expected = {"early": np.log1p(expit(-1.5) / expit(-1)), "late": np.log1p(expit(0.5) / expit(-1))}
    assert values == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rare", [0, 1, 9, 10])
def test_trees_grow_where_nearly_all_pairs_are_bought_again(rare):
    rng, n = np.random.default_rng(0), 10_001  # from 10,001 pairs on scikit-learn stops early
    ids = {name: [f"{number:05}" for number in range(n)] for name in ("cut", "user_id", "item_id")}
    sample = pa.table({**ids, **{name: rng.random(n) for name in FEATURES}})
    assert _fit(sample, np.arange(n) >= rare, seed=0).n_iter_ > 0


def test_items_that_were_not_learned_are_left_out(grocer, learned):
    known = learned.items.where("item_id <> 'milk'")
    found = boost_pairs(repeat_boosts(grocer, learned.trees, known, learned.now, per_user=50).collect())
    assert len(found) > 0
    assert all(row.item_id != "milk" for row in found)


def test_a_shop_without_repeats_has_no_boosts(rows):
    once = purchases(rows, [(f"u{user}", f"i{user}", user) for user in range(40)])
    model = learn_repeat(once, **SETTINGS)
    assert model.trees == []
    assert boosts(once, model) == []


def test_a_shop_without_purchases_has_no_boosts(rows):
    model = learn_repeat(rows("events"), **SETTINGS)
    assert (model.trees, model.now, model.items.count()) == ([], 1.0, 0)
    assert boosts(rows("events"), model) == []


def test_users_without_purchases_have_no_boosts(rows, learned):
    assert boosts(rows("events"), learned) == []

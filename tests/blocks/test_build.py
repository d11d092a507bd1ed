"""The whole room on a shop of a few users: what is known stays, what is new is predicted."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError
from pyspark.sql import functions as F

from recsys_spark.blocks.build import (
    Inputs,
    check_width,
    learn_items,
    learn_spreads,
    learn_tables,
    make_boosts,
    make_calendar,
    make_item_blocks,
    make_layout,
    make_user_blocks,
    make_user_svd,
)
from recsys_spark.blocks.layout import Layout
from recsys_spark.blocks.learned import Learned, Maps, calendar_table, maps_table, no_rows, weights_table
from recsys_spark.blocks.maps import AttributeMap
from recsys_spark.blocks.moment import Calendar
from recsys_spark.blocks.taste import Taste
from recsys_spark.config.learning import BlockSettings, Dense
from recsys_spark.config.settings import Settings
from recsys_spark.errors import SettingsError
from recsys_spark.kernels.grid import Grid
from recsys_spark.kernels.keep import keeping
from tests.frames import boost_pairs

WHEN = {"first_ts": datetime(2024, 1, 1, tzinfo=UTC), "last_ts": datetime(2024, 1, 2, tzinfo=UTC)}
SETTINGS = BlockSettings(ridge_items=0.01, ridge_users=0.01, demographic_prior=0.5)


@pytest.fixture(scope="module")
def inputs(spark, rows):
    """Two kinds of users and items: dry users buy creams, oily users gels; one new user and one new item of each."""
    users = {"dry1": 0, "dry2": 0, "oily1": 1, "oily2": 1, "new_dry": 0, "bare": None}
    items = {"cream1": 0, "cream2": 0, "gel1": 1, "gel2": 1, "new_gel": 1}
    met = [(u, i) for u, a in users.items() for i, b in items.items() if a == b and "new" not in u + i]
    bought = {item: sum(i == item for _, i in met) for item in items}
    kinds = {0: [1.0, 0.0], 1: [0.0, 1.0]}

    def encoded(kind):
        return (
            {"feature_idx": [], "feature_value": []}
            if kind is None
            else {"feature_idx": [kind], "feature_value": [1.0]}
        )

    known_users, known_items = {u for u, _ in met}, {i for _, i in met}
    pairs = [{"user_id": u, "item_id": i, "n_sessions": 1, "n_purchases": 1, "strength": 1.0, **WHEN} for u, i in met]
    return Inputs(
        events=rows("events"),
        interactions=rows("interactions", *pairs),
        user_profiles=rows(
            "user_profiles",
            *[
                {
                    "user_id": u,
                    "user_idx": n,
                    "state": "warm" if u in known_users else "cold",
                    "n_events": 2 * (u in known_users),
                    **encoded(k),
                }
                for n, (u, k) in enumerate(users.items())
            ],
        ),
        item_vectors=rows(
            "item_vectors",
            *[
                {
                    "item_id": i,
                    "item_idx": n,
                    "n_users": bought[i],
                    "n_events": bought[i],
                    "popularity": float(bought[i]),
                    **encoded(k),
                }
                for n, (i, k) in enumerate(items.items())
            ],
        ),
        user_factors=rows("user_factors", *[{"user_id": u, "factors": kinds[users[u]]} for u in sorted(known_users)]),
        item_factors=rows("item_factors", *[{"item_id": i, "factors": kinds[items[i]]} for i in sorted(known_items)]),
        tower_vectors=rows("tower_vectors", {"side": "user", "idx": 0, "vector": [0.5, 0.5]}),
        n_user_features=2,
        attributes=np.array(["kind", "kind"], object),
        paired=np.array([False, False]),
    )


def learned_of(inputs, settings, layout, keep):
    """The items' blocks, the users' svd, and what was learned, without spreads."""
    when = make_calendar(inputs, settings, layout)
    predicted, items = learn_items(inputs, settings, layout, when, keep)
    items = keep(items)
    svd = make_user_svd(inputs, items, layout)
    return items, svd, Learned.read(learn_tables(inputs, settings, layout, predicted, when, svd, seed=0), {})


def made(inputs, settings, layout, of=None):
    """Rows of the users' and of the items' blocks, and the boosts; of everyone, or of some users alone."""
    with keeping() as keep:
        items, svd, learned = learned_of(inputs, settings, layout, keep)
        if of:
            names = ("events", "interactions", "user_profiles", "user_factors")
            inputs = replace(inputs, **{n: getattr(inputs, n).where(F.col("user_id").isin(*of)) for n in names})
        users = make_user_blocks(inputs, layout, learned, svd).collect()
        return users, items.collect(), boost_pairs(make_boosts(inputs, settings, learned, Grid(2, 1)).collect())


@pytest.fixture(scope="module")
def scores(inputs):
    layout = make_layout(inputs, SETTINGS, rank=2, deep_width=2)
    users, items, boosts = made(inputs, SETTINGS, layout)
    user_vectors = {r.user_id: np.array(r.vector) for r in users}
    item_vectors = {r.item_id: (r.item_group, np.array(r.vector)) for r in items}

    def score(user, item, block):
        start, width = {name: (s, w) for name, s, w in layout.rows}[block]
        return float(user_vectors[user][start : start + width] @ item_vectors[item][1][start : start + width])

    return score, user_vectors, item_vectors, layout, boosts


@pytest.fixture(scope="module")
def compared(inputs):
    """Scores of the block svd by user and item, and the boosts, with the scorers for comparison switched on."""
    settings = SETTINGS.model_copy(update={"enabled": ("factors", "svd", "trend", "similar_users"), "svd_rank": 3})
    layout = make_layout(inputs, settings, rank=2, deep_width=2)
    (start, width) = {name: (s, w) for name, s, w in layout.rows}["svd"]
    users, items, boosts = made(inputs, settings, layout)
    left, right = ({r[0]: np.array(r.vector)[start : start + width] for r in side} for side in (users, items))
    scores = {(user, item): float(left[user] @ right[item]) for user in left for item in right}
    return scores, boosts, layout


def test_every_user_and_item_has_a_vector_of_the_layouts_width(scores):
    _, users, items, layout, _ = scores
    assert set(users) == {"dry1", "dry2", "oily1", "oily2", "new_dry", "bare"}
    assert {len(v) for v in users.values()} | {len(v) for _, v in items.values()} == {layout.width}
    assert {i for i, (group, _) in items.items() if group == "new"} == {"new_gel"}


def test_a_new_item_gets_the_factors_of_its_kind(scores):
    score = scores[0]
    assert score("oily1", "new_gel", "factors") == pytest.approx(1.0, abs=0.05)
    assert score("dry1", "new_gel", "factors") == pytest.approx(0.0, abs=0.05)


def test_a_new_user_gets_the_factors_of_its_kind(scores):
    score = scores[0]
    assert score("new_dry", "cream1", "factors") > score("new_dry", "gel1", "factors") + 0.8
    assert score("new_dry", "cream1", "demographic") > 0 > score("new_dry", "gel1", "demographic")


def test_content_boosts_the_attribute_that_was_bought(scores):
    boosts = [r for r in scores[4] if r.scorer == "content"]
    assert {(r.user_id, r.item_id) for r in boosts if r.item_id == "new_gel"} == {
        ("oily1", "new_gel"),
        ("oily2", "new_gel"),
    }
    assert not [r for r in boosts if r.user_id == "new_dry"]


def test_pairs_boost_only_through_features_that_are_pairs(inputs):
    paired = replace(inputs, paired=np.array([False, True]))
    boosts = made(paired, SETTINGS, make_layout(paired, SETTINGS, rank=2, deep_width=2))[2]
    assert {r.item_id for r in boosts if r.scorer == "pairs"} == {"gel1", "gel2", "new_gel"}
    assert {r.item_id for r in boosts if r.scorer == "content"} == {"cream1", "cream2"}


def test_popularity_of_a_new_item_is_what_its_attributes_predict(scores):
    score = scores[0]
    assert score("bare", "gel1", "popularity") == pytest.approx(np.log1p(2), rel=1e-4)
    # sqrt(n / mean n) of the items of its kind, all of which two users took.
    assert score("bare", "new_gel", "popularity") == pytest.approx(1.0, abs=0.03)


def test_demand_that_faded_long_ago_is_none_and_not_what_attributes_predict(rows, inputs):
    faded = rows(
        "item_vectors", {"item_id": "old", "n_users": 3, "n_events": 3, "popularity": 1e-60}, {"item_id": "new"}
    )
    layout = Layout.of(("popularity", "trend"), factors=0, svd=0, demographic=0, moment=0, deep=0)
    predicted = AttributeMap(np.full((3, 2), 0.5, np.float32))
    found = make_item_blocks(replace(inputs, item_vectors=faded), layout, predicted, None, None).collect()
    assert {row.item_id: row.vector for row in found} == {
        "old": pytest.approx([np.log1p(3), 0.0]),
        "new": pytest.approx([0.5, 0.5]),
    }


def test_the_dense_scorers_are_the_blocks_of_a_layout_in_its_order():
    assert get_args(Dense) == tuple(Layout.__dataclass_fields__)


@pytest.mark.parametrize("enabled", [(), ("habit", "neighbours", "content")])
def test_settings_without_a_scorer_that_is_a_block_are_refused(enabled):
    with pytest.raises(ValidationError, match=r"add at least one of factors, svd, .*, deep"):
        BlockSettings(enabled=enabled)


def test_settings_whose_one_block_is_never_trained_are_refused():
    only_deep = {"blocks": {"enabled": ["deep", "habit"]}}
    with pytest.raises(ValidationError, match=r"coldstart\.enabled is false; .* add at least one of factors"):
        Settings.model_validate({**only_deep, "coldstart": {"enabled": False}})
    assert Settings.model_validate(only_deep).coldstart.enabled
    others = {"enabled": ["deep", "popularity"]}
    assert Settings.model_validate({"blocks": others, "coldstart": {"enabled": False}}).blocks.enabled[0] == "deep"


def test_blocks_that_have_nothing_to_stand_on_are_refused_in_words(inputs):
    settings = BlockSettings(enabled=("demographic", "deep", "habit"))
    bare = replace(inputs, n_user_features=0)
    with pytest.raises(SettingsError, match=r"demographic needs attributes of users, deep needs coldstart\.enabled"):
        check_width(make_layout(bare, settings, rank=2, deep_width=0), settings)
    check_width(make_layout(inputs, settings, rank=2, deep_width=0), settings)


def test_a_block_that_is_switched_off_has_no_place(inputs):
    layout = make_layout(inputs, BlockSettings(enabled=("factors", "popularity")), rank=2, deep_width=2)
    assert layout.rows == [("factors", 0, 2), ("popularity", 2, 1)]


def test_scorers_for_comparison_are_off_unless_asked_for(inputs):
    assert not {"svd", "similar_users"} & set(BlockSettings().enabled)
    layout = make_layout(inputs, SETTINGS, rank=2, deep_width=2)
    assert layout.svd == layout.predicted["svd"] == 0


def test_svd_gives_back_what_was_bought_and_predicts_the_rest(compared):
    scores, _, layout = compared
    assert layout.rows == [("factors", 0, 2), ("svd", 2, 3), ("trend", 5, 1)]
    # Two kinds of users and items have rank two, so nothing is lost of log(1 + 1 session).
    assert scores["dry1", "cream1"] == pytest.approx(np.log(2), abs=1e-4)
    assert scores["dry1", "gel1"] == pytest.approx(0.0, abs=1e-4)
    for user, item, other in (
        ("oily1", "new_gel", "cream1"),
        ("new_dry", "cream1", "gel1"),
        ("new_dry", "cream2", "new_gel"),
    ):
        assert scores[user, item] > scores[user, other] + 0.5


def test_similar_users_boost_what_their_kind_bought(compared):
    _, boosts, _ = compared
    assert {(r.user_id, r.item_id) for r in boosts if r.user_id.startswith("dry")} == {
        (user, item) for user in ("dry1", "dry2") for item in ("cream1", "cream2")
    }
    assert {r.scorer for r in boosts} == {"similar_users"}


def test_a_block_that_attributes_do_not_predict_can_be_the_only_one(inputs):
    settings = BlockSettings(enabled=("moment",), moment_buckets=2)
    layout = make_layout(inputs, settings, rank=2, deep_width=2)
    assert {len(row.vector) for side in made(inputs, settings, layout)[:2] for row in side} == {2}


def test_some_users_have_the_vectors_and_boosts_that_they_have_among_all(inputs, scores):
    _, users, _, layout, boosts = scores
    some = ("dry1", "new_dry")
    found, _, their_boosts = made(inputs, SETTINGS, layout, of=some)
    assert {r.user_id for r in found} == set(some)
    for row in found:
        np.testing.assert_array_equal(row.vector, users[row.user_id])
    assert {tuple(r) for r in their_boosts} == {tuple(r) for r in boosts if r.user_id in some} != set()


@pytest.mark.parametrize("penalty", [0.5, 50.0])
def test_divided_by_their_spread_scores_of_known_users_lie_equally_far_apart_in_each_block(inputs, penalty):
    settings = SETTINGS.model_copy(update={"demographic_prior": penalty})
    layout, spread = make_layout(inputs, settings, rank=2, deep_width=2), {}
    with keeping() as keep:
        items, svd, learned = learned_of(inputs, settings, layout, keep)
        learned = replace(learned, spreads=learn_spreads(inputs, layout, learned, svd, items))
        users = make_user_blocks(inputs, layout, learned, svd).where("n_events > 0").collect()
        known = items.where("item_group = 'established'").collect()
    left, right = (np.array([row.vector for row in side]) for side in (users, known))
    for name, start, width in layout.rows:
        scores = left[:, start : start + width] @ right[:, start : start + width].T
        spread[name] = np.sqrt(scores.var(axis=1).mean())
    assert {name for name, found in spread.items() if found > 1e-6} == {"factors", "demographic"}
    assert spread["factors"] == pytest.approx(1.0, rel=1e-5)
    assert spread["demographic"] == pytest.approx(1.0, rel=1e-5)


def test_maps_come_back_from_their_table_as_they_were(spark):
    weights = [np.arange(6, dtype=np.float32).reshape(3, 2) / 7, np.ones((1, 4), np.float32), np.zeros((3, 0))]
    maps = Maps(*[AttributeMap(one.astype(np.float32)) for one in weights])
    tables = {
        "attribute_maps": maps_table(spark, maps),
        "attribute_weights": weights_table(spark, Taste(3.0, {"kind": 1.0, "kind * brand": 0.25})),
        "calendar": calendar_table(spark, Calendar((1.5,), None, None), 3),
    }
    empty = spark.range(0)
    tables |= {name: no_rows(empty, name) for name in ("item_neighbours", "repeat_trees", "repeat_items")}
    found = Learned.read(tables, {"deep": 2.0})
    for one, other in zip(found.maps, maps, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
    assert found.spreads == {"deep": 2.0}
    assert found.taste == Taste(3.0, {"kind": 1.0, "kind * brand": 0.25})
    assert (found.edges, found.repeat_now, found.repeat_trees) == ((1.5,), 3.0, [])

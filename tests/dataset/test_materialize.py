import math

import pytest
from pyspark.sql import functions as F

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import conform
from recsys_spark.dataset.materialize import TrainingTables, _held_out, training_tables
from recsys_spark.kernels.draw import hash_share
from tests.conftest import at

DAYS = [at(f"2024-01-0{day}T12:00:00") for day in range(1, 10)]


@pytest.fixture
def shop(rows):
    """Users a (items 0, 1, 2), b (item 1) and c (new); item 3 is new."""

    def met(user: str, item: int, day: int, strength: float = 1.0) -> dict:
        return dict(user_id=user, item_id=f"i{item}", strength=strength, first_ts=DAYS[day], last_ts=DAYS[8 - day])

    interactions = rows("interactions", met("a", 0, 0), met("a", 1, 1), met("a", 2, 1, 1000.0), met("b", 1, 2, 0.0))
    users = rows(
        "user_profiles",
        dict(user_id="a", user_idx=0, feature_idx=[0, 1, 2], feature_value=[1.0, 3.0, 2.0]),
        dict(user_id="b", user_idx=1, feature_idx=[2], feature_value=[1.0]),
        dict(user_id="c", user_idx=2),
    )
    items = rows(
        "item_vectors",
        *[
            dict(item_id=f"i{i}", item_idx=i, n_events=int(i < 3), text_vector=[float(i)], session_vector=[0.5, 0.0])
            for i in range(4)
        ],
    )
    return interactions, users, items


def _tables(shop, **changed) -> TrainingTables:
    settings = dict(
        attribute_length=2, history_length=2, item_feature_length=3, max_examples=1000, held_out_share=0.0, seed=1
    )
    return training_tables(*shop, **{**settings, **changed})


def test_tables_match_their_contracts(shop):
    for name, frame in _tables(shop)._asdict().items():
        assert conform(table(name), frame).columns == table(name).columns


def test_history_is_the_other_items_earlier_ones_first_and_weights_are_bounded(shop):
    found = {(r["user_idx"], r["item_idx"]): r for r in _tables(shop).training_examples.collect()}
    assert {pair: r["history_idx"] for pair, r in found.items()} == {
        (0, 1): [2, 3],  # nothing before: what came after, oldest first
        (0, 2): [1, 3],
        (0, 3): [2, 1],  # newest first
        (1, 2): [0, 0],
    }
    weights = {pair: r["weight"] for pair, r in found.items()}
    assert weights == pytest.approx({(0, 1): 1.0, (0, 2): 1.0, (0, 3): 3.0, (1, 2): 0.1})


def test_users_are_scored_with_their_last_items_and_new_ones_with_none(shop):
    found = {r["user_idx"]: r for r in _tables(shop).training_users.collect()}
    assert {idx: r["history_idx"] for idx, r in found.items()} == {0: [1, 2], 1: [2, 0], 2: [0, 0]}
    # Of three attributes the two of highest value stay.
    assert {idx: r["attribute_idx"] for idx, r in found.items()} == {0: [2, 3], 1: [3, 0], 2: [0, 0]}


def test_items_have_a_finite_share_and_dense_side_by_side(shop):
    found = {r["item_idx"]: r for r in _tables(shop).training_items.collect()}
    # Four examples and four items: (n + 1) / 8.
    shares = {1: 2 / 8, 2: 3 / 8, 3: 2 / 8, 4: 1 / 8}
    assert {idx: r["log_q"] for idx, r in found.items()} == pytest.approx({i: math.log(s) for i, s in shares.items()})
    assert found[4]["dense"] == [3.0, 0.5, 0.0]
    assert found[4]["feature_idx"] == [0, 0, 0]


def test_held_out_users_and_items_are_absent_from_training(shop):
    tables = _tables(shop, held_out_share=0.5, seed=3)
    held_out = {r["item_idx"] for r in tables.training_items.collect() if r["is_held_out"]}
    examples = tables.training_examples.collect()
    users = {r["user_idx"] for r in examples if r["part"] == "validation" and r["item_idx"] not in held_out}
    assert {r["part"] for r in examples} == {"train", "validation"}
    for row in examples:
        expected = "validation" if row["item_idx"] in held_out or row["user_idx"] in users else "train"
        assert row["part"] == expected
    assert 4 not in held_out  # an item without events is not simulated: it is new


def test_everything_held_out_leaves_no_training_example(shop):
    tables = _tables(shop, held_out_share=1.0)
    assert {r["part"] for r in tables.training_examples.collect()} == {"validation"}
    assert [r["log_q"] for r in tables.training_items.collect()] == pytest.approx([math.log(1 / 4)] * 4)


def test_the_sample_is_bounded_and_repeats(spark, shop, rows):
    users = rows("user_profiles", *[dict(user_id=f"u{n}", user_idx=n) for n in range(300)])
    many = rows(
        "interactions",
        *[dict(user_id=f"u{n}", item_id="i1", strength=1.0, first_ts=DAYS[0], last_ts=DAYS[0]) for n in range(300)],
    )
    first, again = (
        sorted(r["user_idx"] for r in _tables((many, users, shop[2]), max_examples=100).training_examples.collect())
        for _ in range(2)
    )
    assert first == again
    assert 70 < len(first) < 130


def test_no_interactions_give_users_and_items_without_examples(rows, shop):
    tables = _tables((rows("interactions"), shop[1], shop[2]))
    assert tables.training_examples.count() == 0
    assert {tuple(r["history_idx"]) for r in tables.training_users.collect()} == {(0, 0)}
    assert tables.training_items.count() == 4


def test_held_out_ids_are_not_those_that_the_backtest_hides(spark):
    ids = spark.range(4000).selectExpr("concat('id-', id) AS item_id")
    left = ids.where(hash_share(F.lit(0), F.lit("item"), F.col("item_id")) >= 0.2)
    held_out = left.where(_held_out("item", "item_id", 0.05, seed=0)).count() / left.count()
    assert 0.03 < held_out < 0.07

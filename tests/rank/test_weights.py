"""Rows of route_weights: own weights, borrowed ones, and equal ones where nobody teaches anything."""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa

from recsys_spark.contracts import table
from recsys_spark.kernels.grid import arrow_schema
from recsys_spark.rank.candidates import FOUND
from recsys_spark.rank.cells import lists
from recsys_spark.rank.examples import PARTS
from recsys_spark.rank.variants import PAIRS, Variant
from recsys_spark.rank.weights import MIN_USERS, _ordered, item_parts, learn

SCORERS = ("good", "noise")


def sample_of(route, group, n_users, seed=0, sign=1.0):
    """Users of five candidates each; the positive is the best by the first scorer, times sign."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n_users, 5, 2))
    label = (sign * scores[:, :, 0]).argmax(axis=1)[:, None] == np.arange(5)
    columns = [
        pa.array(["learn"] * label.size),
        pa.array([route] * label.size),
        pa.array([group] * label.size),
        pa.array([f"{route}{user:03}" for user in range(n_users) for _ in range(5)]),
        pa.array([f"i{item}" for _ in range(n_users) for item in range(5)]),
        pa.array(label.ravel()),
        pa.array(label.ravel()),
        lists(scores.reshape(-1, 2), np.float32),
        pa.array(np.ones(label.size)),
    ]
    return pa.Table.from_arrays(columns, schema=arrow_schema(FOUND))


def by_pair(rows):
    found = {}
    for row in rows:
        found.setdefault((row["route"], row["item_group"]), {})[row["scorer"]] = row
    return found


def test_every_pair_has_every_scorer_and_the_contracts_columns():
    rows = learn(sample_of("warm", "established", 40), SCORERS)
    assert {(pair, tuple(named)) for pair, named in by_pair(rows).items()} == {(pair, SCORERS) for pair in PAIRS}
    assert all(list(row) == table("route_weights").columns for row in rows)
    assert Variant.from_rows("recsys", rows).scorers() == set(SCORERS)


def test_the_scorer_that_orders_the_positives_gets_the_weight():
    warm = by_pair(learn(sample_of("warm", "established", 60), SCORERS))["warm", "established"]
    assert warm["good"]["weight"] > 3 * warm["noise"]["weight"]
    assert warm["good"]["slope"] > 0
    assert warm["good"]["n_users"] == 60


def test_few_users_borrow_from_the_nearest_route():
    sample = pa.concat_tables(
        [sample_of("warm", "established", 40), sample_of("warming", "established", MIN_USERS - 1, sign=-1.0)]
    )
    found = by_pair(learn(sample, SCORERS))
    for route in ("warming", "inactive"):
        assert {**found[route, "established"]["good"], "route": "warm"} == found["warm", "established"]["good"]
    # A new user has no near route: all routes together teach it.
    assert found["cold", "established"]["good"]["n_users"] == 40 + MIN_USERS - 1


def test_warm_borrows_from_warming():
    found = by_pair(learn(sample_of("warming", "new", 40), SCORERS))
    assert {**found["warm", "new"]["good"], "route": "warming"} == found["warming", "new"]["good"]


def test_nobody_to_learn_from_gives_equal_weights():
    for rows in (learn(arrow_schema(FOUND).empty_table(), SCORERS), learn(sample_of("warm", "new", 3), SCORERS)):
        assert {row["weight"] for row in rows} == {1.0}
        assert {(row["slope"], row["intercept"]) for row in rows} == {(1.0, 0.0)}


def test_the_order_of_the_sample_does_not_matter():
    sample = sample_of("warm", "established", 40)
    backwards = sample.take(pa.array(np.arange(len(sample))[::-1].copy()))
    assert learn(sample, SCORERS) == learn(backwards, SCORERS)


def test_a_kind_is_taken_out_of_more_than_2_gib_of_ids_before_it_is_sorted():
    warm, *others = [sample_of(route, "new", 10) for route in ("warm", *["cold"] * 8)]
    long = pa.array(["x" * 5_400_000] * warm.num_rows)
    place = warm.schema.get_field_index("item_id")
    shared = [kind.set_column(place, "item_id", long) for kind in others]  # one array, eight times
    sample = pa.concat_tables([*shared, warm])
    assert sample["item_id"].nbytes > 2**31
    assert _ordered(sample, "new", ["warm"]).equals(warm)


def test_the_part_of_an_item_hangs_on_its_id_alone():
    ids = [f"i{item}" for item in range(500)]
    parts = item_parts(pa.chunked_array([pa.array(ids)]))
    again = item_parts(pa.chunked_array([pa.array(ids[300:]), pa.array(ids[:300])]))
    assert again.tolist() == [*parts[300:], *parts[:300]]
    assert parts[:4].tolist() == [zlib.crc32(item.encode()) % PARTS for item in ids[:4]]
    assert np.bincount(parts, minlength=PARTS).min() > 25

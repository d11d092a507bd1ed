from collections import defaultdict
from math import log2

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import conform
from recsys_spark.evaluate.metrics import interaction_buckets, measure
from recsys_spark.evaluate.user_scores import user_scores
from tests.conftest import at
from tests.frames import local_frame

LISTS = "model string, slice string, user_id string, rank int, item_id string"
TRUTH = "slice string, user_id string, item_id string"
POPULARITY = "item_id string, n_users bigint"


def measured(spark, lists, truth, k=3, popularity=(("a", 4), ("b", 1)), bucket_of=(), n_users=8, bootstrap=50, seed=0):
    """Metrics as {(model, slice, bucket, metric): row}; bucket_of names users that are not in bucket 0."""
    ranked = [(m, s, u, rank, i) for m, s, u, items in lists for rank, i in enumerate(items, 1)]
    buckets = {u: "0" for _, u, _ in truth} | dict(bucket_of)
    found = measure(
        local_frame(spark, ranked, LISTS),
        local_frame(spark, list(truth), TRUTH),
        local_frame(spark, list(popularity), POPULARITY),
        local_frame(spark, list(buckets.items()), "user_id string, bucket string"),
        k,
        {s: 5 for s, _, _ in truth},
        n_users,
        bootstrap,
        seed,
    )
    rows = conform(table("metrics"), found).collect()
    assert len(rows) == len({(r.model, r.slice, r.bucket, r.metric) for r in rows})
    return {(r.model, r.slice, r.bucket, r.metric): r for r in rows}


@pytest.fixture(scope="module")
def by_hand(spark):
    """Small cases in one run, one a slice."""
    lists = [
        ("m", "plain", "u", ["a", "x", "b", "c"]),
        ("m", "long", "u", ["a", "b", "x"]),
        ("m", "unserved", "u", ["a"]),
        ("m", "outside", "u", ["a"]),
        ("m", "outside", "stranger", ["b"]),
        ("m", "no_truth", "u", ["c"]),
        ("m", "buckets", "one", ["a"]),
        ("m", "buckets", "three", ["x"]),
        ("m", "buckets", "five", ["x"]),
    ]
    truth = [
        ("plain", "u", "a"),
        ("plain", "u", "b"),
        *[("long", "u", item) for item in "abcde"],
        ("unserved", "u", "a"),
        ("unserved", "v", "a"),
        ("nobody_served", "w", "a"),
        ("outside", "u", "a"),
        ("outside", "u", "a"),
        ("buckets", "one", "a"),
        ("buckets", "three", "a"),
        ("buckets", "five", "a"),
    ]
    return measured(spark, lists, truth, bucket_of=[("one", "1"), ("three", "3-5"), ("five", "3-5")])


def test_one_list_by_hand(by_hand):
    value = {metric: row.value for (_, s, bucket, metric), row in by_hand.items() if (s, bucket) == ("plain", "all")}
    assert value == pytest.approx(
        {
            "recall": 2 / 2,
            "precision": 2 / 3,
            "f1": 4 / 5,
            "ndcg": (1 + 1 / 2) / (1 + 1 / log2(3)),
            "hit_rate": 1,
            "novelty": (log2(8 / 4) + log2(8 / 1) + log2(8 / 1)) / 3,
            "served": 1,
            "coverage": 3 / 5,
        }
    )
    assert by_hand["m", "plain", "all", "recall"].k == 3


def test_recall_is_over_what_k_places_can_hold(by_hand):
    assert by_hand["m", "long", "all", "recall"].value == pytest.approx(2 / 3)
    assert by_hand["m", "long", "all", "f1"].value == pytest.approx(2 / 3)


def test_a_user_without_a_list_scores_zero_and_has_no_novelty(by_hand):
    assert by_hand["m", "unserved", "all", "recall"].value == pytest.approx(1 / 2)
    assert by_hand["m", "unserved", "all", "served"].value == pytest.approx(1 / 2)
    assert by_hand["m", "unserved", "all", "novelty"].value == pytest.approx(log2(8 / 4))
    assert by_hand["m", "nobody_served", "all", "recall"].value == 0
    assert by_hand["m", "nobody_served", "all", "coverage"].value == 0
    assert ("m", "nobody_served", "all", "novelty") not in by_hand


def test_lists_of_users_outside_the_slice_and_repeated_truth_do_not_count(by_hand):
    assert by_hand["m", "outside", "all", "recall"].value == 1
    assert by_hand["m", "outside", "all", "coverage"].value == pytest.approx(1 / 5)
    assert "no_truth" not in {s for _, s, _, _ in by_hand}


def test_each_model_is_judged_on_all_users(spark):
    lists = [("good", "warm", "u", ["a"]), ("bad", "warm", "u", ["x"]), ("bad", "warm", "v", ["x", "b"])]
    found = measured(spark, lists, [("warm", "u", "a"), ("warm", "v", "b")], bootstrap=0)
    value = {(model, metric): row.value for (model, _, bucket, metric), row in found.items() if bucket == "all"}
    assert [value[model, "hit_rate"] for model in ("good", "bad")] == [0.5, 0.5]
    assert [value[model, "served"] for model in ("good", "bad")] == [0.5, 1.0]
    of_items = {
        (model, bucket): row.value for (model, _, bucket, metric), row in found.items() if metric == "item_recall"
    }
    assert of_items == {("good", "3-5"): 1.0, ("good", "1"): 0.0, ("bad", "3-5"): 0.0, ("bad", "1"): 1.0}


def test_the_order_of_the_rows_does_not_matter(spark):
    lists = [("m", "warm", u, rank, item) for u in "uv" for rank, item in enumerate("abcd", 1)]
    truth = spark.createDataFrame([("warm", "u", "b"), ("warm", "v", "d"), ("warm", "v", "a")], TRUTH)
    popularity = spark.createDataFrame([("a", 4)], POPULARITY)
    orders = [lists, lists[::-1], lists[::2] + lists[1::2]]
    found = [
        user_scores(spark.createDataFrame(order, LISTS).coalesce(1), truth, popularity, (1, 3), 8) for order in orders
    ]
    first, *others = (sorted(map(tuple, frame.collect())) for frame in found)
    assert [row[2] for row in first] == ["u", "v"]
    recalls = found[0].orderBy("user_id").select("`recall@3`").collect()
    assert recalls == [(1.0,), (0.5,)], "d has the fourth place, three are judged"
    assert all(other == first for other in others)


def test_buckets_split_the_slice_and_all_is_their_mean(by_hand):
    recall = {bucket: r for (_, s, bucket, metric), r in by_hand.items() if (s, metric) == ("buckets", "recall")}
    by_bucket = {bucket: (r.value, r.n_users) for bucket, r in recall.items()}
    assert by_bucket == {"1": (1, 1), "3-5": (0, 2), "all": (pytest.approx(1 / 3), 3)}


def test_relevant_items_are_counted_by_how_many_users_had_met_them(spark):
    truth = [("warm", "u", "a"), ("warm", "v", "a"), ("warm", "u", "b"), ("warm", "u", "unknown")]
    lists = [("m", "warm", "u", ["a", "b"]), ("m", "warm", "v", ["x", "b"])]
    found = measured(spark, lists, truth, popularity=(("a", 4), ("b", 1), ("x", 2)), bucket_of=[("u", ">10")])
    by_item = {bucket: (r.value, r.n_users) for (*_, bucket, name), r in found.items() if name == "item_recall"}
    assert by_item == {"3-5": (1 / 2, 2), "1": (1.0, 1), "0": (0.0, 1)}


def test_a_shop_whose_items_and_truth_are_too_many_to_broadcast_is_judged_alike(spark):
    lists = [("m", "warm", "u", ["a", "x", "b"]), ("n", "warm", "v", ["b", "c"]), ("n", "warm", "stranger", ["a"])]
    truth = [("warm", "u", "b"), ("warm", "u", "a"), ("warm", "v", "c"), ("warm", "w", "c")]
    by_broadcast = measured(spark, lists, truth)
    limit = "spark.sql.autoBroadcastJoinThreshold"
    before = spark.conf.get(limit)
    try:
        spark.conf.set(limit, "-1")
        assert measured(spark, lists, truth) == by_broadcast
    finally:
        spark.conf.set(limit, before)


def test_intervals_hold_the_mean_and_narrow_as_theory_says(spark):
    users = [f"u{n}" for n in range(400)]
    lists = [("m", "warm", u, ["a" if n % 4 == 0 else "x"]) for n, u in enumerate(users)]
    found = measured(spark, lists, [("warm", u, "a") for u in users], bootstrap=300)["m", "warm", "all", "recall"]
    standard_error = (0.25 * 0.75 / 400) ** 0.5
    assert found.value == 0.25
    assert found.high - found.low == pytest.approx(2 * 1.96 * standard_error, rel=0.2)
    assert found.low < 0.25 < found.high


def test_without_replicates_the_bounds_are_the_value(spark):
    found = measured(spark, [("m", "warm", "u", ["a"])], [("warm", "u", "a"), ("warm", "v", "b")], bootstrap=0)
    row = found["m", "warm", "all", "recall"]
    assert row.low == row.value == row.high == 0.5


def test_interaction_buckets_of_everyone_in_the_truth(spark, rows):
    met = {"none": 0, "one": 1, "two": 2, "three": 3, "five": 5, "six": 6, "many": 11}
    first = at("2024-01-01")
    interactions = rows(
        "interactions",
        *[
            {"user_id": u, "item_id": str(i), "first_ts": first, "last_ts": first}
            for u, n in met.items()
            for i in range(n)
        ],
    )
    found = interaction_buckets(local_frame(spark, [("warm", u, "a") for u in met], TRUTH), interactions)
    expected = {"none": "0", "one": "1", "two": "2", "three": "3-5", "five": "3-5", "six": "6-10", "many": ">10"}
    assert {r.user_id: r.bucket for r in found.collect()} == expected


def oracle(lists, truth, k):
    """Plain Python: {metric: mean over users} for one model and slice."""
    wanted = defaultdict(set)
    for user, item in truth:
        wanted[user].add(item)
    total = defaultdict(float)
    for user, items in wanted.items():
        top = lists.get(user, [])[:k]
        hits = [item in items for item in top]
        best = sum(1 / log2(rank + 2) for rank in range(min(k, len(items))))
        recall, precision = sum(hits) / min(k, len(items)), sum(hits) / k
        total["recall"] += recall
        total["precision"] += precision
        total["f1"] += 2 * recall * precision / (recall + precision) if recall + precision else 0
        total["ndcg"] += sum(hit / log2(rank + 2) for rank, hit in enumerate(hits)) / best
        total["hit_rate"] += any(hits)
        total["served"] += bool(top)
    return {metric: value / len(wanted) for metric, value in total.items()}


ITEM = st.sampled_from("abcdefg")
USER = st.sampled_from("uvwx")
CASE = st.tuples(
    st.dictionaries(USER, st.lists(ITEM, unique=True, min_size=1, max_size=6)),
    st.lists(st.tuples(USER, ITEM), min_size=1, max_size=12),
)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases=st.lists(CASE, min_size=10, max_size=20), k=st.integers(1, 5))
def test_agrees_with_plain_python(spark, cases, k):
    # Each case is a slice of its own, so that one run of Spark checks many.
    lists = [("m", str(n), u, items) for n, (case, _) in enumerate(cases) for u, items in case.items()]
    lists.append(("m", "no_truth", "u", ["a"]))
    truth = [(str(n), *pair) for n, (_, pairs) in enumerate(cases) for pair in pairs]
    found = measured(spark, lists, truth, k=k, bootstrap=2)
    for n, case in enumerate(cases):
        expected = oracle(*case, k)
        assert {m: found["m", str(n), "all", m].value for m in expected} == pytest.approx(expected, abs=1e-9)

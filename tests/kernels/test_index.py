from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_spark.kernels.index import with_kept_positions, with_positions
from tests.frames import local_frame


def positions(frame, buckets=3):
    return {r.id: r.position for r in with_positions(frame, "id", "position", buckets).collect()}


def test_positions_are_dense_and_follow_the_id(spark):
    frame = local_frame(spark, [("b",), ("10",), ("a",), ("9",), ("é",)], "id string")
    assert positions(frame) == {"10": 0, "9": 1, "a": 2, "b": 3, "é": 4}


def test_positions_do_not_depend_on_partitions_or_other_columns(spark):
    frame = local_frame(spark, [(f"u{n:03d}", n) for n in range(200)], "id string, n int")
    assert positions(frame.repartition(7), 16) == positions(frame.select("id").coalesce(1), 16)


def test_one_id_and_none(spark):
    one = local_frame(spark, [("a",)], "id string")
    assert positions(one) == {"a": 0}
    assert positions(one.limit(0)) == {}


def test_more_ranges_than_ids_and_a_single_range(spark):
    frame = local_frame(spark, [("a",), ("b",)], "id string")
    assert positions(frame, buckets=64) == positions(frame, buckets=1) == {"a": 0, "b": 1}


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.sets(st.text(alphabet="ab01é ", min_size=1, max_size=4), min_size=1, max_size=30))
def test_any_set_of_ids_gets_the_positions_of_its_sorted_list(spark, ids):
    frame = local_frame(spark, [(i,) for i in sorted(ids, reverse=True)], "id string")
    in_order = sorted(ids, key=lambda text: text.encode())  # Spark compares strings as UTF-8 bytes
    assert positions(frame, 4) == {name: n for n, name in enumerate(in_order)}


def test_kept_positions_stay_and_new_ids_follow_behind_them(spark):
    kept = local_frame(spark, [("b", 0), ("d", 1), ("f", 2)], "id string, position bigint")
    frame = local_frame(spark, [("a",), ("d",), ("e",)], "id string")
    found = {r.id: r.position for r in with_kept_positions(frame, "id", "position", kept).collect()}
    assert found == {"d": 1, "a": 3, "e": 4}
    assert {r.id for r in with_kept_positions(kept.select("id"), "id", "position", kept.limit(0)).collect()} == {*"bdf"}

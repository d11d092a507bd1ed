from recsys_spark.kernels.numbered import id_encoding, with_id_values
from tests.frames import local_frame

ORDERED = ["P1000000007", "P1000000001", "P1000000003", "P1000000005"]


def ids(spark, *values):
    return local_frame(spark, [(v,) for v in values], "user_id string")


def words(frame, known, levels=(2, 4)):
    found = with_id_values(frame, "user_id", "order", known, levels)
    assert found.columns == ["user_id", "order"]
    return {r.user_id: r.order for r in found.collect()}


def test_ids_are_binned_by_their_numbers_at_each_level(spark):
    frame = ids(spark, *ORDERED)
    assert words(frame, id_encoding(frame, "user_id", 4)) == {
        "P1000000001": ["user_id/2=bin_1", "user_id/4=bin_1"],
        "P1000000003": ["user_id/2=bin_1", "user_id/4=bin_2"],
        "P1000000005": ["user_id/2=bin_2", "user_id/4=bin_3"],
        "P1000000007": ["user_id/2=bin_2", "user_id/4=bin_4"],
    }


def test_numbers_count_whatever_their_length(spark):
    frame = ids(spark, "9", "10", "100", "99")
    found = words(frame, id_encoding(frame, "user_id", 4), levels=(4,))
    assert found == {v: [f"user_id/4=bin_{n}"] for n, v in enumerate(("9", "10", "99", "100"), 1)}


def test_later_ids_lie_in_the_last_bin_and_ids_of_no_one_number_in_none(spark):
    known = id_encoding(ids(spark, *ORDERED), "user_id", 4)
    later = ids(spark, "P1000000099", "7f3a9c", "12-34", "", "9" * 19)
    assert words(later, known, levels=(4,)) == {
        "P1000000099": ["user_id/4=bin_4"],
        "7f3a9c": [],
        "12-34": [],
        "": [],
        "9" * 19: [],
    }


def test_hashes_or_one_number_alone_give_no_order(spark):
    for values in (["7f3a9c", "b1c2"], ["5"], ["5", "x5"], []):
        known = id_encoding(ids(spark, *values), "user_id", 4)
        assert known.collect() == []
        assert words(ids(spark, "5"), known) == {"5": []}

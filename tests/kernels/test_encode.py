from math import log, sqrt

import pytest

from recsys_spark.kernels.encode import (
    attribute_values,
    encode,
    encoding,
    vocabulary,
    with_measure_values,
    with_missing_values,
)
from tests.frames import local_frame

DESCRIBED = "id string, measures map<string,double>, attributes map<string,array<string>>"


def known(frame, bins):
    return encoding(frame, "measures", "attributes", bins)


def described(spark, *rows):
    return local_frame(spark, list(rows), "id string, features array<string>")


def test_attribute_values_drop_blanks_nulls_and_repeats(spark):
    attributes = [{"skin": ["dry", "dry", " ", None], "empty": [], "none": None}, {}, None]
    frame = local_frame(spark, [(a,) for a in attributes], "a map<string,array<string>>")
    assert [r[0] for r in frame.select(attribute_values("a")).collect()] == [["skin=dry"], [], []]


def test_measures_become_bins_of_their_own_name(spark):
    rows = [("a", {"age": 20.0, "size": 1.0}), ("b", {"age": 40.0}), ("c", {"age": None}), ("d", {})]
    frame = local_frame(spark, [(*row, {}) for row in rows], DESCRIBED)
    found = with_measure_values(frame, "measures", "bins", known(frame, 2))
    assert found.columns == [*frame.columns, "bins"]
    assert {r.id: sorted(r.bins) for r in found.collect()} == {
        "a": ["age=bin_1", "size=bin_1"],
        "b": ["age=bin_2"],
        "c": [],
        "d": [],
    }


def test_without_any_measure_there_is_no_bin(spark):
    frame = local_frame(spark, [("a", {}, {})], DESCRIBED)
    assert with_measure_values(frame, "measures", "bins", known(frame, 10)).first().bins == []


def test_bins_and_usual_attributes_of_others_describe_a_row(spark):
    others = local_frame(spark, [(str(n), {"age": float(n)}, {"skin": ["dry"]}) for n in range(4)], DESCRIBED)
    new = local_frame(spark, [("new", {"age": 99.0, "unknown": 1.0}, {})], DESCRIBED)
    learned = known(others, 2)
    assert with_measure_values(new, "measures", "bins", learned).first().bins == ["age=bin_2"]
    assert with_missing_values(new, "attributes", "missing", learned).first().missing == ["skin=?"]


def test_vocabulary_is_ordered_by_holders_then_name_and_bounded(spark):
    frame = described(spark, ("a", ["x=1", "y=2"]), ("b", ["y=2", "z=3"]), ("c", ["z=3", "x=1", "w=0"]), ("d", []))
    found = vocabulary(frame, "features", min_holders=2, max_size=2).orderBy("feature_idx").collect()
    assert [(r.feature, r.feature_idx, r.n_holders) for r in found] == [("x=1", 0, 2), ("y=2", 1, 2)]
    assert found[0].idf == pytest.approx(log(5 / 3) + 1)


def test_vocabulary_of_rows_without_features_is_empty(spark):
    assert vocabulary(described(spark, ("a", [])), "features", min_holders=1, max_size=9).count() == 0


def test_encoded_rows_are_ascending_and_rows_without_a_known_feature_stay(spark):
    frame = described(spark, ("a", ["z=3", "y=2"]), ("b", ["z=3", "unknown=1"]), ("c", []))
    known = vocabulary(described(spark, ("a", ["y=2", "z=3"]), ("b", ["z=3"])), "features", min_holders=1, max_size=9)
    rows = encode(frame, ("id",), "features", known, by_idf=False).collect()
    found = {r.id: (r.feature_idx, r.feature_value) for r in rows}
    assert found == {"a": ([0, 1], [1.0, 1.0]), "b": ([0], [1.0]), "c": ([], [])}


def test_values_by_idf_have_unit_length(spark):
    frame = described(spark, ("a", ["y=2", "z=3"]), ("b", ["z=3"]))
    known = vocabulary(frame, "features", min_holders=1, max_size=9)
    found = {r.id: r.feature_value for r in encode(frame, ("id",), "features", known, by_idf=True).collect()}
    common, rare = 1.0, log(3 / 2) + 1
    norm = sqrt(common**2 + rare**2)
    assert found["a"] == pytest.approx([common / norm, rare / norm], rel=1e-6)
    assert found["b"] == [1.0]


def test_what_is_missing_is_named_where_values_are_usual(spark):
    rows = [("a", {"skin": ["dry"], "eyes": ["blue"]}), ("b", {"skin": [" "]}), ("c", None)]
    rows += [(f"d{n}", {"skin": ["oily"], "rare": ["x"]} if n == 0 else {"skin": ["oily"]}) for n in range(17)]
    frame = local_frame(spark, [(name, {}, attributes) for name, attributes in rows], DESCRIBED)
    found = {r.id: r.missing for r in with_missing_values(frame, "attributes", "missing", known(frame, 2)).collect()}
    # Eyes and rare are held by 1 of 20, less than a tenth.
    assert found["a"] == []
    assert found["b"] == found["c"] == ["skin=?"]


def test_without_attributes_nothing_is_missing(spark):
    frame = local_frame(spark, [("a", {}, {})], DESCRIBED)
    assert with_missing_values(frame, "attributes", "missing", known(frame, 2)).first().missing == []

import pytest

from recsys_spark.contracts.raw import UNPARSED
from recsys_spark.events.pseudonyms import WITHHELD, digests_of, forms_of, with_pseudonyms
from recsys_spark.events.typed import REPLACEMENT
from recsys_spark.kernels.pseudonym import Key
from tests.frames import local_frame

NEW, OLD = Key(b"the key of this year"), Key(b"the key of last year")


@pytest.fixture
def raw(spark):
    """Two ids that are written in two ways, one that is missing, and a line that did not parse."""
    rows = [("u1", None), (" u1 ", None), ("u2", None), ("u3", None), ("", None), (None, "u1;what")]
    return local_frame(spark, rows, f"user_id string, {UNPARSED} string")


def found(frame):
    return sorted((row["user_id"] or "", row[UNPARSED] or "") for row in frame.collect())


def named(*ids):
    return [(NEW.pseudonym(one), "") for one in ids]


def test_ids_become_pseudonyms_and_text_that_did_not_parse_is_withheld(raw):
    assert found(with_pseudonyms(raw, [NEW], None)) == sorted(
        [*named("u1", "u1", "u2", "u3"), ("", ""), ("", WITHHELD)]
    )


def test_an_id_of_numbers_is_that_of_its_text(spark):
    raw = local_frame(spark, [(7.0, None)], f"user_id double, {UNPARSED} string")
    assert found(with_pseudonyms(raw, [NEW], None)) == named("7")


def test_rows_of_erased_users_are_left_out_also_those_erased_under_a_retired_key(raw, spark):
    erased = local_frame(spark, [(NEW.erased("u1"),), (OLD.erased("u2"),)], "digest string")
    left = with_pseudonyms(raw, [NEW, OLD], erased)
    assert left.columns == raw.columns
    assert found(left) == sorted([*named("u3"), ("", ""), ("", WITHHELD)])


def test_the_lake_may_hold_the_id_itself_or_a_pseudonym_of_any_key(spark):
    users = local_frame(spark, [("u1",)], "user_id string")
    forms = {row["user_id"] for row in forms_of(users, [NEW, OLD]).collect()}
    assert forms == {"u1", NEW.pseudonym("u1"), OLD.pseudonym("u1")}
    assert [row["digest"] for row in digests_of(users, [NEW, OLD]).collect()] == [NEW.erased("u1")]
    assert digests_of(users, []).count() == 0


def test_an_id_that_is_no_utf8_is_refused_as_without_a_key_and_not_told(spark):
    raw = spark.createDataFrame(
        [(bytearray(b"caf\xe9"), None), (b"caf\xe8", None)], f"user_id binary, {UNPARSED} string"
    )
    text = raw.withColumn("user_id", raw.user_id.cast("string"))
    assert found(with_pseudonyms(text, [NEW], None)) == [(REPLACEMENT, "")] * 2


def test_an_erased_user_is_known_by_the_id_as_cleaning_reads_it(spark):
    users = local_frame(spark, [("17850.0",)], "user_id string")
    forms = [row["user_id"] for row in forms_of(users, [NEW]).collect()]
    assert sorted(forms) == sorted(["17850.0", "17850", NEW.pseudonym("17850.0"), NEW.pseudonym("17850")])
    assert [row["digest"] for row in digests_of(users, [NEW]).collect()] == [NEW.erased("17850")]

from __future__ import annotations

import pytest
from pyspark.sql import Row

from recsys_spark.errors import AuditError, SourceError
from recsys_spark.events.quality import check_balance, refusals, require_masters


def counted(**measures: int) -> list[Row]:
    return [Row(source_table="events", measure=m, row_count=n) for m, n in measures.items()]


def test_counts_that_add_up_pass():
    check_balance(counted(input=6, clean=3, quarantined=2, duplicates=1))


def test_a_lost_row_is_an_error_that_shows_the_sum():
    expected = r"found 7 input rows, expected 6 \(clean 3 \+ quarantined 2 \+ duplicates 1\)"
    with pytest.raises(AuditError, match=expected):
        check_balance(counted(input=7, clean=3, quarantined=2, duplicates=1))


def of_table(name: str, **measures: int) -> list[Row]:
    return [Row(source_table=name, measure=m.replace("__", ":"), row_count=n) for m, n in measures.items()]


def test_a_table_with_many_refused_rows_is_told_with_its_commonest_reasons():
    some = of_table("events", input=100, clean=96, quarantined=4, reason__bot=4)
    reasons = {"reason__a": 1, "reason__b": 2, "reason__c": 3, "reason__d": 3}
    many = of_table("items", input=100, clean=94, quarantined=6, **reasons)
    assert refusals([*some, *many, *of_table("users", input=0, clean=0, quarantined=0)]) == [
        "table items: 6 of 100 input rows (6%) were refused, most of them for: c 3, d 3, b 2; "
        "look at the table quarantine"
    ]


def test_what_was_asked_for_is_no_refusal():
    expected = ["ts_after_as_of", "ts_future"]
    rows = of_table("events", input=100, clean=10, quarantined=90, reason__ts_after_as_of=90)
    assert refusals(rows)
    assert not refusals(rows, expected)
    rows = of_table("events", input=100, clean=9, quarantined=91, reason__ts_after_as_of=90, reason__bot=1)
    assert "1 of 10 input rows (10%)" in refusals(rows, expected)[0]


def test_a_table_of_users_or_items_of_which_no_row_is_clean_is_an_error():
    require_masters([*of_table("users", input=2, clean=1, quarantined=1), *of_table("items", input=0, clean=0)])
    refused = of_table("items", input=2, clean=0, quarantined=2, reason__price_unparsable=2)
    with pytest.raises(SourceError, match=r"table items: none of 2 input rows is usable; .* price_unparsable 2"):
        require_masters(refused)

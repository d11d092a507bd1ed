from __future__ import annotations

import pytest
from pyspark.sql import Row

from recsys_spark.errors import AuditError
from recsys_spark.events.quality import check_balance


def counted(**measures: int) -> list[Row]:
    return [Row(source_table="events", measure=m, row_count=n) for m, n in measures.items()]


def test_counts_that_add_up_pass():
    check_balance(counted(input=6, clean=3, quarantined=2, duplicates=1))


def test_a_lost_row_is_an_error_that_shows_the_sum():
    expected = r"found 7 input rows, expected 6 \(clean 3 \+ quarantined 2 \+ duplicates 1\)"
    with pytest.raises(AuditError, match=expected):
        check_balance(counted(input=7, clean=3, quarantined=2, duplicates=1))

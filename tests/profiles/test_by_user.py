import numpy as np
import pyarrow as pa
import pytest

from recsys_spark.profiles import by_user


def words_of(*users):
    """A batch of one word a user; no session and no item met."""
    kinds = {
        "n_events": pa.int64(),
        "n_purchases": pa.int64(),
        "session": pa.int64(),
        "platform": pa.string(),
        "last_ts": pa.timestamp("us", "UTC"),
        "spend": pa.float64(),
        "dwell_seconds": pa.float64(),
        "strength": pa.float64(),
        "category": pa.string(),
        "brand": pa.string(),
        "log_price": pa.float64(),
    }
    known = {"user_id": pa.array(users), "term": pa.array(["serum"] * len(users)), "recency": np.ones(len(users))}
    empty = {name: pa.nulls(len(users), kind) for name, kind in kinds.items()}
    return pa.RecordBatch.from_pydict(known | empty)


@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 100])
def test_a_user_whose_rows_come_in_several_batches_has_one_row(monkeypatch, rows_at_once):
    monkeypatch.setattr(by_user, "ROWS_AT_ONCE", rows_at_once)
    batches = [words_of("a", "b"), words_of("b", "b"), words_of("b"), words_of(), words_of("b", "c"), words_of("d")]
    found = [row for batch in by_user.summed_by_user(batches) for row in batch.to_pylist()]
    assert [(row["user_id"], dict(row["query_terms"])["serum"]) for row in found] == [
        ("a", 1.0),
        ("b", 5.0),
        ("c", 1.0),
        ("d", 1.0),
    ]

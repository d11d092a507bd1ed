import pyarrow as pa
import pytest

from recsys_spark.profiles import by_user

KINDS = {
    "user_id": pa.string(),
    "n_events": pa.int64(),
    "n_purchases": pa.int64(),
    "session": pa.int64(),
    "platform": pa.string(),
    "last_ts": pa.timestamp("us", "UTC"),
    "spend": pa.float64(),
    "dwell_seconds": pa.float64(),
    "term": pa.string(),
    "recency": pa.float64(),
    "strength": pa.float64(),
    "category": pa.string(),
    "brand": pa.string(),
    "log_price": pa.float64(),
}


def rows_of(**known):
    """A batch of rows of which some columns are known; the others are null."""
    n_rows = len(known["user_id"])
    columns = {name: pa.array(known.get(name, [None] * n_rows), kind) for name, kind in KINDS.items()}
    return pa.RecordBatch.from_pydict(columns)


def words_of(*users):
    """One word a user; no session and no item met."""
    return rows_of(user_id=users, term=["serum"] * len(users), recency=[1.0] * len(users))


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


def test_users_are_told_apart_where_all_do_something_else():
    """50,000 users of an own session and an own word each: pairs of a user and either are beyond 32 bits."""
    count = 50_000
    users = [f"{number:05d}" for number in range(count)]
    visits = rows_of(
        user_id=users,
        n_events=[1] * count,
        n_purchases=[0] * count,
        session=range(count),
        last_ts=[0] * count,
        spend=[0.0] * count,
        dwell_seconds=[0.0] * count,
    )
    words = rows_of(user_id=users, term=users, recency=[1.0] * count)
    rows = pa.Table.from_batches([visits, words]).sort_by("user_id").combine_chunks()
    found = pa.Table.from_batches(by_user.summed_by_user(rows.to_batches()))
    assert set(found["n_sessions"].to_pylist()) == {1}
    assert [dict(terms) for terms in found["query_terms"].to_pylist()] == [{user: 1.0} for user in users]

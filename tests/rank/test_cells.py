"""Users of a cell with what is sparse."""

from __future__ import annotations

import pyarrow as pa

from recsys_spark.rank.cells import UserCell

LISTS = pa.schema(
    {"user_id": pa.string(), "code": pa.int32(), "others": pa.list_(pa.string()), "values": pa.list_(pa.float64())}
)


def test_lists_come_to_every_row_of_their_user_and_what_is_of_others_or_of_other_shards_is_left_out():
    users = pa.table({"user_id": ["a", "b", "b"], "route": ["warm", "cold", "cold"], "vector": [[1.0], [2.0], [3.0]]})
    told = [
        ("b", 0, ["y", "elsewhere"], [0.5, 9.0]),
        ("c", 0, ["y"], [9.0]),
        ("a", 1, ["x"], [0.25]),
        ("b", 0, ["x"], [0.75]),
        ("a", 0, [], []),
        ("a", 2, ["y"], [1.0]),
    ]
    lists = pa.Table.from_pylist([dict(zip(LISTS.names, row, strict=True)) for row in told], LISTS)
    cell = UserCell.of(users, lists, pa.array(["x", "y"]), ((0, 1),), n_sparse=2)
    found = [
        list(zip(part.users.tolist(), part.items.tolist(), part.values.tolist(), strict=True))
        for part in (*cell.scorers.sparse, cell.excluded)
    ]
    assert found == [
        [(1, 0, 0.75), (1, 1, 0.5), (2, 0, 0.75), (2, 1, 0.5)],
        [(0, 0, 0.25)],
        [(0, 1, 1.0)],
    ]


def test_a_cell_without_lists_has_no_pairs():
    users = pa.table({"user_id": ["a"], "route": ["warm"], "vector": [[1.0]]})
    cell = UserCell.of(users, LISTS.empty_table(), pa.array(["x"]), ((0, 1),), n_sparse=1)
    assert [len(part.users) for part in (*cell.scorers.sparse, cell.excluded)] == [0, 0]

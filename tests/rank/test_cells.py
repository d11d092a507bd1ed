"""Users of a cell with what is sparse."""

from __future__ import annotations

import pyarrow as pa

from recsys_spark.rank.cells import UserCell


def test_pairs_come_to_every_row_of_their_user_and_those_of_others_or_of_other_shards_are_left_out():
    users = pa.table({"user_id": ["a", "b", "b"], "route": ["warm", "cold", "cold"], "vector": [[1.0], [2.0], [3.0]]})
    told = [("b", "y", 0, 0.5), ("c", "y", 0, 9.0), ("b", "elsewhere", 0, 9.0), ("a", "x", 1, 0.25), ("a", "y", 2, 1.0)]
    pairs = pa.table(dict(zip(("user_id", "item_id", "code", "value"), zip(*told, strict=True), strict=True)))
    cell = UserCell.of(users, pairs, pa.array(["x", "y"]), ((0, 1),), n_sparse=2)
    found = [
        list(zip(part.users.tolist(), part.items.tolist(), part.values.tolist(), strict=True))
        for part in (*cell.scorers.sparse, cell.excluded)
    ]
    assert found == [[(1, 1, 0.5), (2, 1, 0.5)], [(0, 0, 0.25)], [(0, 1, 1.0)]]


def test_a_cell_without_pairs_has_none():
    users = pa.table({"user_id": ["a"], "route": ["warm"], "vector": [[1.0]]})
    types = {"user_id": pa.string(), "item_id": pa.string(), "code": pa.int32(), "value": pa.float64()}
    cell = UserCell.of(users, pa.schema(types).empty_table(), pa.array(["x"]), ((0, 1),), n_sparse=1)
    assert [len(part.users) for part in (*cell.scorers.sparse, cell.excluded)] == [0, 0]

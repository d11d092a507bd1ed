"""Pairs meet their user and their item in one cell."""

from __future__ import annotations

import pyarrow as pa
import pytest

from recsys_spark.kernels.grid import Grid, arrow_schema, lay_out

FIELDS = {"user_id": "string", "item_id": "string", "value": "double"}


@pytest.mark.parametrize("grid", [Grid(3, 1), Grid(3, 2), Grid(1, 3)])
def test_what_a_users_list_says_of_an_item_comes_once_to_their_cell_whichever_side_is_searched(spark, grid):
    schema = arrow_schema(FIELDS)

    def told(users, items, lists):
        here = set(users["user_id"].to_pylist()), set(items["item_id"].to_pylist())
        pairs = [
            {"user_id": row["user_id"], "item_id": other, "value": value}
            for row in lists.to_pylist()
            for other, value in zip(row["others"], row["values"], strict=True)
        ]
        return pa.Table.from_pylist([p for p in pairs if p["user_id"] in here[0] and p["item_id"] in here[1]], schema)

    def told_of_items(items, users, lists):
        return told(users, items, lists)

    users = spark.createDataFrame([(f"u{n}", [float(n)]) for n in range(7)], "user_id string, vector array<float>")
    items = spark.createDataFrame([(f"i{n}",) for n in range(5)], "item_id string")
    known = {f"u{n}": {f"i{n % 5}": float(n), f"i{(n + 1) % 5}": 0.5, "gone": 1.0} for n in range(7)}
    rows = [(user, 0, list(found), list(found.values())) for user, found in (*known.items(), ("nobody", known["u1"]))]
    lists = spark.createDataFrame(rows, "user_id string, code int, others array<string>, values array<double>")
    expected = sorted((u, i, value) for u, found in known.items() for i, value in found.items() if i != "gone")
    assert sorted(lay_out(users, items, grid, told, FIELDS, lists=lists).collect()) == expected
    turned = lay_out(items, users, grid, told_of_items, FIELDS, ("item_id", "user_id"), lists)
    assert sorted(turned.collect()) == expected

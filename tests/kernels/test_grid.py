"""Pairs meet their user and their item in one cell."""

from __future__ import annotations

import pyarrow as pa

from recsys_spark.kernels.grid import Grid, lay_out

FIELDS = {"user_id": "string", "item_id": "string", "value": "double", "met": "boolean"}


def test_a_pair_comes_once_to_the_cell_of_its_user_and_its_item(spark):
    def told(users, items, pairs):
        here = set(users["user_id"].to_pylist()), set(items["item_id"].to_pylist())
        met = [pair["user_id"] in here[0] and pair["item_id"] in here[1] for pair in pairs.to_pylist()]
        return pairs.select(["user_id", "item_id", "value"]).append_column("met", pa.array(met, pa.bool_()))

    users = spark.createDataFrame([(f"u{n}", [float(n)]) for n in range(7)], "user_id string, vector array<float>")
    items = spark.createDataFrame([(f"i{n}",) for n in range(5)], "item_id string")
    known = [(f"u{n}", f"i{n % 5}", 0, float(n)) for n in range(7)]
    pairs = spark.createDataFrame(
        [*known, ("u1", "gone", 0, 1.0)], "user_id string, item_id string, code int, value double"
    )
    found = lay_out(users, items, Grid(3, 2), told, FIELDS, pairs=pairs).collect()
    met = {(row["user_id"], row["item_id"]): (row["value"], row["met"]) for row in found if row["item_id"] != "gone"}
    assert met == {(user, item): (value, True) for user, item, _, value in known}
    assert len(found) <= len(known) + 1

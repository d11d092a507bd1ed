"""Users and items laid out over a grid of tasks: a cell holds one bucket of users and one shard of items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recsys_spark.contracts.spark import spark_type

CELL = ("bucket", "shard")
LISTED = ("code", "others", "values")
"""What is told of a user or an item beside its id: a number of what it is, ids of the other side, a value of each."""
_WHOSE = "list_of"
_ARROW = {
    "string": pa.string(),
    "int": pa.int32(),
    "boolean": pa.bool_(),
    "float": pa.float32(),
    "double": pa.float64(),
    "array<string>": pa.list_(pa.string()),
    "array<float>": pa.list_(pa.float32()),
    "array<double>": pa.list_(pa.float64()),
    "array<map<string,double>>": pa.list_(pa.map_(pa.string(), pa.float64())),
}


@dataclass(frozen=True)
class Grid:
    """How many buckets of users and shards of items there are."""

    user_buckets: int
    item_shards: int

    @classmethod
    def of(cls, n_users: int, n_items: int, users_per_task: int, items_per_task: int, parallelism: int) -> Grid:
        """Enough parts that no task holds more than asked, and that every core has equally many buckets, at least two.

        >>> Grid.of(n_users=50_000, n_items=60_000, users_per_task=20_000, items_per_task=50_000, parallelism=2)
        Grid(user_buckets=4, item_shards=2)
        """
        buckets_of_core = max(-(-n_users // (users_per_task * parallelism)), 2)
        return cls(buckets_of_core * parallelism, max(-(-n_items // items_per_task), 1))

    @classmethod
    def across(cls, n_items: int, n_users: int, rows_per_task: int, parallelism: int) -> Grid:
        """Buckets of items that are searched for users, and shards of users.

        All users travel to each bucket, so there are no more buckets than it takes to give every core a cell.

        >>> Grid.across(n_items=5_000, n_users=50_000, rows_per_task=20_000, parallelism=8)
        Grid(user_buckets=3, item_shards=3)
        """
        shards = max(-(-n_users // rows_per_task), 1)
        return cls(max(-(-n_items // rows_per_task), -(-parallelism // shards), 1), shards)


def lay_out(
    users: DataFrame,
    items: DataFrame,
    grid: Grid,
    work: Callable[..., pa.Table],
    fields: Mapping[str, str],
    keys: tuple[str, str] = ("user_id", "item_id"),
    lists: DataFrame | None = None,
) -> DataFrame:
    """Call ``work(users, items)`` once for every cell that has both, and return its rows.

    Args:
        users: rows of users, in buckets; items where those are searched for users.
        items: rows of items, in shards; users where they are searched. All rows of an id come to the same cells.
        grid: buckets and shards.
        work: a module-level function, bound with functools.partial; it runs on executors.
        fields: column names and types of what ``work`` returns.
        keys: the columns that hold the ids of the two.
        lists: sparse pairs: one of the keys, and the columns LISTED. They are the third table that ``work`` then takes.
            A pair comes to the cell where its user meets its item; one whose user or item is not there may come too.
    """
    schema = T.StructType([T.StructField(name, spark_type(kind)) for name, kind in fields.items()])
    # Users may descend from the same items (candidates do); new names for their columns keep the two sides apart.
    own = [F.col(name).alias(name) for name in users.columns]
    left = users.select(_hashed(keys[0], grid.user_buckets, "bucket"), _each(grid.item_shards, "shard"), *own)
    right = items.select(_hashed(keys[1], grid.item_shards, "shard"), _each(grid.user_buckets, "bucket"), "*")
    if lists is not None:
        left = left.unionByName(_in_cells(lists, grid, keys), allowMissingColumns=True)
    whole = partial(_of_cell, work=work, schema=arrow_schema(fields), whose=_whose(lists, keys))
    return left.groupBy(*CELL).cogroup(right.groupBy(*CELL)).applyInArrow(whole, schema)


def arrow_schema(fields: Mapping[str, str]) -> pa.Schema:
    """The same columns for Arrow; executors have no session to ask."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in fields.items()])


def _hashed(column: str, n: int, name: str) -> Column:
    return F.pmod(F.xxhash64(column), F.lit(n)).cast("int").alias(name)


def _in_cells(lists: DataFrame, grid: Grid, keys: tuple[str, str]) -> DataFrame:
    """Lists with their cell; where the others lie in several parts, lists of one."""
    parts = {keys[0]: (grid.user_buckets, "bucket"), keys[1]: (grid.item_shards, "shard")}
    whose = _whose(lists, keys)
    (n_own, own_part), (n_others, other_part) = parts.pop(whose), *parts.values()
    place = F.lit(0).alias(other_part)
    if n_others > 1:
        each = F.inline(F.arrays_zip("others", "values")).alias("other", "value")
        one = F.array("other").alias("others"), F.array("value").alias("values")
        place, lists = _hashed("other", n_others, other_part), lists.select(whose, "code", each).select("*", *one)
    return lists.select(_hashed(whose, n_own, own_part), place, F.col(whose).alias(_WHOSE), *LISTED)


def _each(n: int, name: str) -> Column:
    return F.explode(F.sequence(F.lit(0), F.lit(n - 1))).alias(name)


def _whose(lists: DataFrame | None, keys: tuple[str, str]) -> str:
    """The key that says whose lists they are."""
    return next(key for key in keys if lists is None or key in lists.columns)


def _of_cell(
    users: pa.Table, items: pa.Table, work: Callable[..., pa.Table], schema: pa.Schema, whose: str
) -> pa.Table:
    told: tuple[pa.Table, ...] = ()
    if _WHOSE in users.column_names:
        is_list = pc.is_valid(users[_WHOSE])
        lists = users.select([_WHOSE, *LISTED]).filter(is_list)
        told = (lists.rename_columns([whose, *LISTED]),)
        users = users.drop_columns([_WHOSE, *LISTED]).filter(pc.invert(is_list))
    return work(users, items, *told) if users.num_rows and items.num_rows else schema.empty_table()

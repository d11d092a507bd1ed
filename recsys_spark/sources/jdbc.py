"""The jdbc source: events, and where there are any users and items, from tables or views of a database.

The settings hold names and no SQL: every name is quoted, and whatever is asked of the database is put together here or
by Spark. The password is looked up when a table is read, and goes to the driver alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recsys_spark.config.source import JdbcSource, JdbcTable, SourceSettings
from recsys_spark.contracts.raw import SOURCE_FILE, UNPARSED
from recsys_spark.errors import ContractError, SourceError
from recsys_spark.secret import resolve
from recsys_spark.session import MARIADB_PACKAGE, POSTGRESQL_PACKAGE
from recsys_spark.sources.formats import readable, require_rows
from recsys_spark.sources.mapping import map_tables
from recsys_spark.sources.raw import RawTables, column_of


@dataclass(frozen=True)
class Database:
    """What differs between databases."""

    driver: str
    """The driver's class."""
    package: str
    """The Maven package that holds it."""
    quote: str
    """Surrounds a name, and is doubled within."""
    scheme: str
    """How Spark and the driver both know the database by its URL."""
    parameters: tuple[tuple[str, str], ...] = ()
    takes_zone_of_jvm: bool = False
    """Whether times without a zone are read in that of the executors' JVM, which nothing in a connection changes."""


UTC_NAMES = ("UTC", "Etc/UTC", "GMT", "Z")
DATABASES = {
    "postgresql": Database(
        "org.postgresql.Driver", POSTGRESQL_PACKAGE, '"', "jdbc:postgresql:{}", takes_zone_of_jvm=True
    ),
    "mariadb": Database(
        "org.mariadb.jdbc.Driver",
        MARIADB_PACKAGE,
        "`",
        # Spark has MariaDB's dialect under MySQL's scheme alone; without it, columns come back as their own names.
        "jdbc:mysql:{}?permitMysqlScheme",
        # Times that the database keeps by zone come in the server's own otherwise.
        (("connectionTimeZone", "UTC"), ("forceConnectionTimeZoneToSession", "true")),
    ),
}


def driver_packages(settings: SourceSettings) -> tuple[str, ...]:
    """Maven packages with the driver that the source needs; none where it is no database."""
    if settings.kind != "jdbc" or settings.jdbc is None:
        return ()
    return (_database(settings.jdbc).package,)


def read_jdbc(spark: SparkSession, settings: JdbcSource, as_of: datetime | None) -> RawTables:
    """Raw tables from a database; users and items without tables of their own are the ids of the events.

    Args:
        spark: a session with the driver's package.
        settings: the database and its tables.
        as_of: tables with a watermark_column are read up to this time, exclusively; None reads all rows.

    Raises:
        SettingsError: the password's reference leads nowhere.
        SourceError: the database or a table cannot be read, a table is empty, or executors would shift its times.
        ContractError: a mapping does not fit the contract or the table.
    """
    connection = _connection(settings)
    if _database(settings).takes_zone_of_jvm:
        _require_utc(spark)

    def read(name: str, table: JdbcTable) -> DataFrame:
        with readable(f"table {name}: {table.place}"):
            frame = _rows(spark, connection, table, _database(settings).quote)
            frame = _before(frame, name, table, as_of)
            require_rows(frame, f"table {name}: {table.place}", f"source.jdbc.{name}.table")
        return _with_origin(frame)

    return map_tables({name: (read(name, table), table) for name, table in settings.tables.items()})


def _require_utc(spark: SparkSession) -> None:
    zone = spark.range(1).select(F.expr("reflect('java.time.ZoneId', 'systemDefault')")).collect()[0][0]
    if zone not in UTC_NAMES:
        raise SourceError(
            f"executors run in the time zone {zone}, by which PostgreSQL's times would be shifted; expected UTC. Add "
            "-Duser.timezone=UTC to spark.executor.extraJavaOptions and spark.driver.extraJavaOptions."
        )


def _database(settings: JdbcSource) -> Database:
    return DATABASES[settings.url.split(":")[1]]


def _connection(settings: JdbcSource) -> dict[str, str]:
    """The options that open a connection, the password among them."""
    database = _database(settings)
    address = settings.url.split(":", 2)[2]
    return {
        **settings.properties,
        **dict(database.parameters),
        "url": database.scheme.format(address),
        "driver": database.driver,
        "user": settings.user,
        "password": resolve(settings.password, "source.jdbc.password"),
    }


def _rows(spark: SparkSession, connection: Mapping[str, str], table: JdbcTable, quote: str) -> DataFrame:
    """The table, read over one connection or, by ranges of its partition column, over several."""
    name = ".".join(_quoted(part, quote) for part in table.table.split("."))
    options = {**connection, "dbtable": name, "fetchsize": str(table.fetchsize)}
    if table.partition_column and table.num_partitions > 1:
        lower: object = table.lower
        upper: object = table.upper
        if lower is None or upper is None:
            lower, upper = _asked_bounds(spark, connection, name, _quoted(table.partition_column, quote))
        if lower is not None:
            options |= {
                "partitionColumn": table.partition_column,
                "lowerBound": str(lower),
                "upperBound": str(upper),
                "numPartitions": str(table.num_partitions),
            }
    return spark.read.format("jdbc").options(**options).load()


def _asked_bounds(
    spark: SparkSession, connection: Mapping[str, str], name: str, column: str
) -> tuple[str | None, str | None]:
    """Least and greatest value of the column, by one query; None where there is no row.

    They only say where the parts begin and end: rows outside are read with the first or the last part.
    """
    query = f"(SELECT min({column}) AS least, max({column}) AS greatest FROM {name}) bounds"
    asked = spark.read.format("jdbc").options(**connection, dbtable=query).load()
    if isinstance(asked.schema["least"].dataType, T.DecimalType | T.DoubleType | T.FloatType):
        asked = asked.select(*[F.floor(c).cast("bigint").alias(c) for c in asked.columns])
    row = asked.select(*[F.col(c).cast("string") for c in asked.columns]).collect()[0]
    return row["least"], row["greatest"]


def _before(frame: DataFrame, name: str, table: JdbcTable, as_of: datetime | None) -> DataFrame:
    """Rows that the database got before the as-of time; Spark hands the condition to the database."""
    column = table.watermark_column
    if column is None:
        return frame
    kind = dict(frame.dtypes).get(column)
    if kind not in ("timestamp", "timestamp_ntz"):
        raise ContractError(
            f"table {name}: source.jdbc.{name}.watermark_column is {column}, which {table.place} has "
            f"{'not' if kind is None else f'as {kind}'}; expected a timestamp"
        )
    return frame if as_of is None else frame.where(column_of(column) < F.lit(as_of))


def _with_origin(frame: DataFrame) -> DataFrame:
    nothing = F.lit(None).cast("string")
    return frame.withColumns({SOURCE_FILE: nothing, UNPARSED: nothing})


def _quoted(name: str, quote: str) -> str:
    """A name as SQL takes it literally, whatever it holds.

    >>> print(_quoted('odd" name; DROP TABLE x', '"'))
    "odd"" name; DROP TABLE x"
    """
    return quote + name.replace(quote, 2 * quote) + quote

"""Where the rows come from: files, a database, the demo's data or a made-up shop, and what their columns mean."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from recsys_spark.config.group import Count, EventType, Group, Positive, Reference, Share

JdbcProperty = Literal[
    "sslmode", "sslrootcert", "sslMode", "serverSslCert", "connectTimeout", "socketTimeout", "ApplicationName"
]
"""Others could run SQL or load classes (sessionInitStatement, socketFactory, …)."""


class ColumnMapping(Group):
    """How the columns of one input table map to the contract's."""

    columns: dict[str, str] = {}
    """Contract column to source column, such as user_id: customer_no. Unlisted columns keep their own name.

    category_path takes several source columns, from the broadest to the narrowest: department,aisle,shelf.
    """
    constants: dict[str, str] = {}
    """Contract column to a fixed value, such as event_type: purchase."""
    attributes: tuple[str, ...] = ()
    """Source columns that become attributes: text, numbers or arrays; an entry name=column renames."""
    measures: tuple[str, ...] = ()
    """Source columns that become numeric measures."""
    timestamp_format: str | None = None
    """Spark's datetime pattern for ts where it is text; ISO 8601 or seconds since 1970 if unset."""
    list_separator: str | None = None
    """Splits attribute text into several values, such as '|'."""
    event_types: dict[str, EventType] = {}
    """Of events: the source's word for a kind of event to the one it counts as, such as transaction: purchase.

    Upper case and space around a word do not matter. Words that are not named stay as they are.
    """

    @field_validator("event_types")
    @classmethod
    def _words_as_cleaning_reads_them(cls, kinds: dict[str, str]) -> dict[str, str]:
        plain = {word.strip().lower(): kind for word, kind in kinds.items()}
        if len(plain) < len(kinds) or "" in plain:
            raise ValueError("a word is empty, or is there twice but for upper case and space around it")
        return plain


class TableSource(ColumnMapping):
    """One input table of the files source."""

    path: str
    """File, folder or glob; or a Delta table's folder."""
    format: Literal["parquet", "csv", "jsonl", "delta"] = "parquet"
    """Format of the files; csv with a header line, jsonl with one object a line."""

    @property
    def place(self) -> str:
        """The path."""
        return self.path


class JdbcTable(ColumnMapping):
    """One table or view of a database, and how it is read."""

    table: Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+){0,2}$")]
    """Name as the database has it, after its schema and a dot where it is in one; no query."""
    partition_column: str | None = None
    """Number, date or timestamp by which num_partitions connections share the reading."""
    lower: int | datetime | None = None
    """With upper, where the parts of partition_column begin and end; unset, its least and greatest value are asked."""
    upper: int | datetime | None = None
    """See lower."""
    num_partitions: Count = 1
    """Connections that share the reading; more than one need a partition_column."""
    fetchsize: Count = 10_000
    """Rows that one answer of the database holds."""
    watermark_column: str | None = None
    """Timestamp at which the database got the row; with --as-of, only rows from before that time are read."""

    @property
    def place(self) -> str:
        """The table's name."""
        return self.table

    @model_validator(mode="after")
    def _parts_have_a_column(self) -> JdbcTable:
        if self.partition_column is None and (self.num_partitions > 1 or self.lower is not None):
            raise ValueError("num_partitions, lower and upper need a partition_column")
        if (self.lower is None) != (self.upper is None):
            raise ValueError("lower and upper belong together; set both or neither")
        return self


TableSettings = TableSource | JdbcTable
"""One input table, wherever it is; ``place`` says where, for messages."""


class JdbcSource(Group):
    """A database, who reads it, and the tables."""

    url: Annotated[str, Field(pattern=r"^jdbc:(postgresql|mariadb)://[^\s/?&;@#]+/[^\s/?&;@#]+$")]
    """jdbc:postgresql://HOST:PORT/DATABASE or jdbc:mariadb://…; without user, password or parameters."""
    user: str
    """The user of the database, who need only read."""
    password: Reference
    """Where the password is: env:NAME or scope:SCOPE/KEY; never the password itself."""
    properties: dict[JdbcProperty, str] = {}
    """Of the driver's own properties those that secure or name a connection."""
    events: JdbcTable
    """The table or view of events."""
    users: JdbcTable | None = None
    """The same of users; unset, users are the ids of the events, without attributes."""
    items: JdbcTable | None = None
    """The same of items; unset, items are the ids of the events, without attributes."""

    @property
    def tables(self) -> dict[str, JdbcTable]:
        """The tables that are set, by name."""
        named = {"events": self.events, "users": self.users, "items": self.items}
        return {name: table for name, table in named.items() if table is not None}


class SyntheticSource(Group):
    """A seeded, made-up shop with planted tastes."""

    users: Count = 2_000
    """Users of the shop, with and without events."""
    items: Count = 500
    """Items of the shop, with and without events."""
    events_per_user: Positive = 30.0
    """Mean number of events of a user who has any."""
    days: Count = 180
    """Days that the events span, up to 2024-07-01."""
    new_user_share: Share = 0.1
    """Users who have attributes and no event yet."""
    new_item_share: Share = 0.1
    """Items that have attributes and no event yet."""
    quiet_user_share: Share = 0.1
    """Users whose events stop half-way."""
    seed: int = 0
    """Of everything that is drawn; equal settings make equal rows."""


class SourceSettings(Group):
    """Which adapter brings events, users and items in."""

    kind: Literal["completejourney", "files", "jdbc", "synthetic"]
    """The adapter: the demo's data, your files, a database, or a made-up shop."""
    events: TableSource | None = None
    """The events, for kind: files."""
    users: TableSource | None = None
    """The users, for kind: files; unset, users are the ids of the events, without attributes."""
    items: TableSource | None = None
    """The items, for kind: files; unset, items are the ids of the events, without attributes."""
    jdbc: JdbcSource | None = None
    """The database, for kind: jdbc."""
    synthetic: SyntheticSource = SyntheticSource()
    """The shop, for kind: synthetic."""
    drift: Literal["refuse", "accept"] = "refuse"
    """Where columns that are used changed since the last ingest: stop, or take the source as it is now."""

    @property
    def tables(self) -> dict[str, TableSource]:
        """The tables of files that are set, by name."""
        named = {"events": self.events, "users": self.users, "items": self.items}
        return {name: table for name, table in named.items() if table is not None}

    @property
    def mappings(self) -> dict[str, TableSettings]:
        """The mapping of each table that the source brings; none for kinds that need none."""
        if self.kind == "files":
            return {**self.tables}
        return {**self.jdbc.tables} if self.kind == "jdbc" and self.jdbc else {}

    @model_validator(mode="after")
    def _kinds_have_their_groups(self) -> SourceSettings:
        if self.kind == "files" and self.events is None:
            raise ValueError("source.kind is files, so source.events must say where the events are")
        if self.kind == "jdbc" and self.jdbc is None:
            raise ValueError("source.kind is jdbc, so source.jdbc must say which database and tables")
        if self.kind != "files" and self.tables:
            raise ValueError(f"source.kind is {self.kind}, so source.{next(iter(self.tables))} would not be read")
        if self.kind != "jdbc" and self.jdbc is not None:
            raise ValueError(f"source.kind is {self.kind}, so source.jdbc would not be read")
        return self

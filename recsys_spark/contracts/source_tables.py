"""What the shop told: events, users and items as ingest leaves them, and what the backtest hid of them."""

from __future__ import annotations

from recsys_spark.contracts.model import Contract
from recsys_spark.contracts.model import Field as F  # noqa: N817 - one letter keeps a column on one line

USER_ID = F(
    "user_id", "string", "external id of the user, or its keyed pseudonym (privacy.pseudonym_key)", personal="id"
)
ITEM_ID = F("item_id", "string", "external id of the item")

EVENTS = Contract(
    name="events",
    row="one thing a user did, cleaned and without duplicates",
    made_by="ingest",
    key=("event_id",),
    cluster_by=("ts",),
    tells_changes=True,
    fields=(
        F("event_id", "string", "SHA-256 of the event's other columns", personal="trace"),
        USER_ID,
        F("item_id", "string", "external id of the item; null for a search", nullable=True),
        F("event_type", "string", "view, search, cart, purchase, or another type that the settings weigh"),
        F("ts", "timestamp", "when it happened", unit="UTC"),
        F("query_text", "string", "what was searched for", nullable=True, personal="trace"),
        F("quantity", "double", "units bought, viewed or put into the cart", unit="pieces"),
        F("price", "double", "price of one unit at that time", nullable=True, unit="shop currency"),
        F("dwell_seconds", "double", "time spent on the item's page", nullable=True, unit="s"),
        F("platform", "string", "web, app, store, …", nullable=True),
        F("session_id", "string", "visit or basket", nullable=True, personal="trace"),
    ),
)

USERS = Contract(
    name="users",
    row="one user as the source knows it, with or without events",
    made_by="ingest",
    key=("user_id",),
    fields=(
        USER_ID,
        F("attributes", "map<string,array<string>>", "attribute name to its values, such as skin_type to [dry]"),
        F("measures", "map<string,double>", "numeric attributes, as the source gives them"),
    ),
)

ITEMS = Contract(
    name="items",
    row="one item as the source knows it, with or without events",
    made_by="ingest",
    key=("item_id",),
    fields=(
        ITEM_ID,
        F("title", "string", "display name", nullable=True),
        F("description", "string", "text shown on the item's page", nullable=True),
        F("brand", "string", "brand or maker", nullable=True),
        F("category_path", "array<string>", "category from the broadest level to the narrowest"),
        F("price", "double", "catalogue price", nullable=True, unit="shop currency"),
        F("launch_ts", "timestamp", "first day on sale", nullable=True, unit="UTC"),
        F("available", "boolean", "may be recommended"),
        F("attributes", "map<string,array<string>>", "further attributes: name to values"),
        F("measures", "map<string,double>", "numeric attributes, as the source gives them"),
    ),
)

QUARANTINE = Contract(
    name="quarantine",
    row="one refused input row",
    made_by="ingest",
    key=(),
    fields=(
        F("source_table", "string", "events, users or items"),
        F("source_file", "string", "file the row came from, where the source has files", nullable=True),
        F("raw_row", "string", "the row as JSON", personal="text"),
        F("reasons", "array<string>", "every rule that the row broke"),
    ),
)

DATA_QUALITY = Contract(
    name="data_quality",
    row="one count of the cleaning of one source table",
    made_by="ingest",
    key=("source_table", "measure"),
    fields=(
        F("source_table", "string", "events, users or items"),
        F("measure", "string", "input, clean, quarantined, duplicates, reason:NAME, filled:COLUMN or capped:COLUMN"),
        F("row_count", "bigint", "how many rows", unit="rows"),
    ),
)

SOURCE_COLUMNS = Contract(
    name="source_columns",
    row="one column of the source, as the last ingest found it",
    made_by="ingest",
    key=("source_table", "source_column"),
    fields=(
        F("source_table", "string", "events, users or items"),
        F("source_column", "string", "its name in the source"),
        F("type", "string", "its type, as Spark reads it"),
        F("taken", "string", "named (by the settings), own_name (it has a contract column's name) or unused"),
    ),
)

CHANGED_USERS = Contract(
    name="changed_users",
    row="one user whom an update describes and scores anew",
    made_by="ingest",
    key=("user_id",),
    fields=(USER_ID, F("reason", "string", "events (new ones), attributes (others than before), or all (asked for)")),
)

TRUTH = Contract(
    name="truth",
    row="one hidden user and item pair of the backtest",
    made_by="split",
    key=("slice", "user_id", "item_id"),
    fields=(
        F("slice", "string", "warm, cold_user, cold_item or cold_both"),
        USER_ID,
        ITEM_ID,
        F("half", "string", "learn (weights are learned on it) or report (metrics are measured on it)"),
        F("in_window", "boolean", "the event lies in the hold-out period, not before it"),
    ),
)

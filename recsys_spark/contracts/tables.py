"""All tables, in the order in which a refresh makes them."""

from __future__ import annotations

from recsys_spark.contracts.learned_tables import (
    ATTRIBUTE_MAPS,
    ATTRIBUTE_WEIGHTS,
    CALENDAR,
    ITEM_ENCODING,
    ITEM_NEIGHBOURS,
    ITEM_TERMS,
    REPEAT_ITEMS,
    REPEAT_TREES,
    TOWER_WEIGHTS,
    USER_ENCODING,
)
from recsys_spark.contracts.list_tables import (
    CLAIMS,
    ERASURES,
    ITEM_AUDIENCES,
    METRICS,
    RECOMMENDATIONS,
    RELEASES,
    ROUTE_WEIGHTS,
    SETTINGS_TRIALS,
)
from recsys_spark.contracts.model import Contract
from recsys_spark.contracts.model_tables import (
    BLOCKS,
    BOOSTS,
    INTERACTIONS,
    ITEM_BLOCKS,
    ITEM_FACTORS,
    ITEM_FEATURES,
    ITEM_VECTORS,
    TOWER_VECTORS,
    TRAINING_EXAMPLES,
    TRAINING_ITEMS,
    TRAINING_LOG,
    TRAINING_USERS,
    USER_BLOCKS,
    USER_FACTORS,
    USER_FEATURES,
    USER_PROFILES,
)
from recsys_spark.contracts.source_tables import (
    CHANGED_USERS,
    DATA_QUALITY,
    EVENTS,
    ITEMS,
    QUARANTINE,
    SOURCE_COLUMNS,
    TRUTH,
    USERS,
)

ALL_TABLES: dict[str, Contract] = {
    c.name: c
    for c in (
        EVENTS,
        USERS,
        ITEMS,
        QUARANTINE,
        DATA_QUALITY,
        SOURCE_COLUMNS,
        CHANGED_USERS,
        TRUTH,
        INTERACTIONS,
        USER_FEATURES,
        USER_ENCODING,
        USER_PROFILES,
        ITEM_FEATURES,
        ITEM_ENCODING,
        ITEM_TERMS,
        ITEM_VECTORS,
        USER_FACTORS,
        ITEM_FACTORS,
        TRAINING_EXAMPLES,
        TRAINING_USERS,
        TRAINING_ITEMS,
        TOWER_VECTORS,
        TOWER_WEIGHTS,
        TRAINING_LOG,
        ATTRIBUTE_MAPS,
        ATTRIBUTE_WEIGHTS,
        CALENDAR,
        ITEM_NEIGHBOURS,
        REPEAT_TREES,
        REPEAT_ITEMS,
        BLOCKS,
        USER_BLOCKS,
        ITEM_BLOCKS,
        BOOSTS,
        ROUTE_WEIGHTS,
        RECOMMENDATIONS,
        ITEM_AUDIENCES,
        METRICS,
        SETTINGS_TRIALS,
        CLAIMS,
        RELEASES,
        ERASURES,
    )
}


def table(name: str) -> Contract:
    """The contract of that name; KeyError names the tables there are."""
    try:
        return ALL_TABLES[name]
    except KeyError:
        raise KeyError(f"no table is called {name}; there are {', '.join(ALL_TABLES)}") from None

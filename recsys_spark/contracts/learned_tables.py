"""What a full refresh learned, kept so that an update can describe and score changed users and new items alike."""

from __future__ import annotations

from recsys_spark.contracts.model import Contract
from recsys_spark.contracts.model import Field as F  # noqa: N817 - one letter keeps a column on one line
from recsys_spark.contracts.source_tables import ITEM_ID


def _encoding(side: str, made_by: str) -> Contract:
    return Contract(
        name=f"{side}_encoding",
        row=f"one measure of {side}s, or their ids, cut into bins, or one attribute whose absence is told",
        made_by=made_by,
        learned=True,
        key=("kind", "name"),
        fields=(
            F("kind", "string", "measure, id or attribute"),
            F("name", "string", "name of the measure or attribute, or the id's column"),
            F("edges", "array<double>", "inner edges of the bins, ascending; null for an attribute", True),
        ),
    )


USER_ENCODING = _encoding("user", "build_profiles")
ITEM_ENCODING = _encoding("item", "build_item_vectors")

ITEM_TERMS = Contract(
    name="item_terms",
    row="one word of item texts that two items share",
    made_by="build_item_vectors",
    learned=True,
    for_updates=True,
    key=("term",),
    fields=(
        F("term", "string", "the word, in lower case"),
        F("idf", "double", "log((1 + items) / (1 + items with it)) + 1"),
    ),
)

TOWER_WEIGHTS = Contract(
    name="tower_weights",
    row="one run of as many values of one weight of the deep model as an embedding has",
    made_by="train_coldstart",
    learned=True,
    for_updates=True,
    key=("name", "row"),
    fields=(
        F("name", "string", "name of the weight, in the order of the model, or of a constant"),
        F("row", "bigint", "from 0: the values lie row after row of the weight"),
        F("values", "array<float>", "the values; zeros fill the last run"),
    ),
)

ATTRIBUTE_MAPS = Contract(
    name="attribute_maps",
    row="what one attribute adds to the vector of a user or item without events",
    made_by="build_blocks",
    learned=True,
    for_updates=True,
    key=("target", "feature_idx"),
    fields=(
        F("target", "string", "what is predicted: user factors, user svd, or item blocks"),
        F("feature_idx", "int", "position in user_features or item_features; one more than the last is the intercept"),
        F("weights", "array<float>", "what is added, aligned with what is predicted"),
    ),
)

ATTRIBUTE_WEIGHTS = Contract(
    name="attribute_weights",
    row="one attribute of items, or one pair of them, and how much it tells of taste",
    made_by="build_blocks",
    learned=True,
    for_updates=True,
    key=("attribute",),
    fields=(
        F("attribute", "string", "its name, as before the = of item_features; the two of a pair with * between"),
        F("weight", "double", "how much a user's lift of its values counts in content and pairs; 1 for the strongest"),
        F("prior", "double", "pseudo-interactions behind a lift, the same in all rows"),
    ),
)

CALENDAR = Contract(
    name="calendar",
    row="one moment that scorers count time by",
    made_by="build_blocks",
    learned=True,
    for_updates=True,
    key=("name", "place"),
    fields=(
        F("name", "string", "moment (the last day of each bucket of the scorer) or repeat (where its future begins)"),
        F("place", "int", "from 0, in the order of time"),
        F("value", "double", "days since 1970 for moment, seconds since 1970 for repeat"),
    ),
)

ITEM_NEIGHBOURS = Contract(
    name="item_neighbours",
    row="what having met one item says of another, by one scorer",
    made_by="build_blocks",
    learned=True,
    for_updates=True,
    key=("scorer", "item_id", "other_id"),
    cluster_by=("item_id",),
    fields=(
        F("scorer", "string", "neighbours or ease"),
        ITEM_ID,
        F("other_id", "string", "external id of the other item"),
        F(
            "value",
            "double",
            "neighbours: share of the item's users who met the other one, shrunk; ease: the item's weight in the "
            "regression of the other one on all items, negative where it speaks against it",
        ),
    ),
)

REPEAT_TREES = Contract(
    name="repeat_trees",
    row="one node of one tree of the model of repeat purchases; none if nothing was learned",
    made_by="build_blocks",
    learned=True,
    for_updates=True,
    key=("tree", "node"),
    fields=(
        F("tree", "int", "from 0; the first is a single leaf with the log-odds of a repeat"),
        F("node", "int", "from 0, the root"),
        F("feature", "int", "position of the feature that the node asks for; -1 for a leaf"),
        F("threshold", "double", "rows whose feature is at most this go left"),
        F("left_node", "int", "-1 for a leaf"),
        F("right_node", "int", "-1 for a leaf"),
        F("value", "double", "what a leaf adds to the log-odds", unit="log-odds"),
    ),
)

REPEAT_ITEMS = Contract(
    name="repeat_items",
    row="how everyone buys one item again",
    made_by="build_blocks",
    learned=True,
    for_updates=True,
    key=("item_id",),
    fields=(
        ITEM_ID,
        F("item_users", "float", "users who bought it"),
        F("item_repeat", "float", "purchases of each of them"),
        F("item_recent", "float", "share of the purchases that are recent"),
    ),
)

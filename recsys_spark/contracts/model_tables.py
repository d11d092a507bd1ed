"""What is learned from them: profiles, vectors, factors, towers, and the scoring blocks."""

from __future__ import annotations

from recsys_spark.contracts.model import Contract
from recsys_spark.contracts.model import Field as F  # noqa: N817 - one letter keeps a column on one line
from recsys_spark.contracts.source_tables import ITEM_ID, USER_ID

USER_IDX = F("user_idx", "bigint", "user_idx of user_profiles", personal="position")

INTERACTIONS = Contract(
    name="interactions",
    row="one user and one item that met at least once",
    made_by="build_profiles",
    key=("user_id", "item_id"),
    cluster_by=("user_id",),
    fields=(
        USER_ID,
        ITEM_ID,
        F("strength", "double", "sum of event weights, decayed by half-life to the as-of time"),
        F("n_events", "bigint", "events of any type"),
        F("n_purchases", "bigint", "purchase events"),
        F("n_sessions", "bigint", "distinct sessions (else days) with a purchase, or with any event if never bought"),
        F("first_ts", "timestamp", "first event of the pair", unit="UTC"),
        F("last_ts", "timestamp", "last event of the pair", unit="UTC"),
    ),
)


def _features(side: str, made_by: str) -> Contract:
    return Contract(
        name=f"{side}_features",
        row=f"one attribute value of {side}s, or pair of two, that the vectors encode",
        made_by=made_by,
        learned=True,
        key=("feature",),
        fields=(
            F("feature", "string", "name=value, such as brand=Acme or price=bin_3"),
            F("feature_idx", "int", "position, dense from 0"),
            F("n_holders", "bigint", f"{side}s that have it"),
            F("idf", "double", "log((1 + n) / (1 + n_holders)) + 1"),
        ),
    )


USER_FEATURES = _features("user", "build_profiles")
ITEM_FEATURES = _features("item", "build_item_vectors")

USER_PROFILES = Contract(
    name="user_profiles",
    row="one user, with or without events",
    made_by="build_profiles",
    key=("user_id",),
    fields=(
        USER_ID,
        F(
            "user_idx",
            "bigint",
            "position, dense from 0 in the order of user_id; those that an update adds follow",
            personal="position",
        ),
        F("state", "string", "cold (no events), warming, warm or inactive; thresholds are settings"),
        F("n_events", "bigint", "events of any type"),
        F("n_items", "bigint", "distinct items met"),
        F("n_purchases", "bigint", "purchase events"),
        F("n_sessions", "bigint", "distinct sessions, else days"),
        F("recency_days", "double", "time since the last event at the as-of time", nullable=True, unit="days"),
        F("spend", "double", "sum of quantity times price of purchases", unit="shop currency"),
        F("dwell_seconds", "double", "total time on item pages", unit="s"),
        F("category_shares", "map<string,double>", "share of decayed strength by narrowest category (the top 20)"),
        F("brand_shares", "map<string,double>", "share of decayed strength by brand (the top 20)"),
        F("platform_shares", "map<string,double>", "share of events by platform"),
        F("price_log_mean", "double", "strength-weighted mean of log(1 + price)", nullable=True),
        F("price_log_std", "double", "its standard deviation", nullable=True),
        F("query_terms", "map<string,double>", "decayed weight of each search term (the top 50)"),
        F("n_attributes", "int", "attribute values and measures that are known of the user"),
        F("feature_idx", "array<int>", "encoded user attributes: ascending positions in user_features"),
        F("feature_value", "array<float>", "their values, aligned with feature_idx"),
    ),
)

ITEM_VECTORS = Contract(
    name="item_vectors",
    row="one item, with or without events",
    made_by="build_item_vectors",
    key=("item_id",),
    fields=(
        ITEM_ID,
        F("item_idx", "bigint", "position, dense from 0 in the order of item_id; those that an update adds follow"),
        F("n_events", "bigint", "events of any type"),
        F("n_users", "bigint", "distinct users"),
        F("popularity", "double", "distinct users, each decayed by the half-life since their last event"),
        F("feature_idx", "array<int>", "encoded attributes: ascending positions in item_features"),
        F("feature_value", "array<float>", "their values, aligned with feature_idx"),
        F("text_vector", "array<float>", "TF-IDF of title, description, brand, category, projected; empty if off"),
        F("session_vector", "array<float>", "item2vec over sessions; empty if off, zeros for an item without events"),
    ),
)

USER_FACTORS = Contract(
    name="user_factors",
    row="one user with events",
    made_by="train_als",
    key=("user_id",),
    fields=(USER_ID, F("factors", "array<float>", "ALS factors")),
)

ITEM_FACTORS = Contract(
    name="item_factors",
    row="one item with events",
    made_by="train_als",
    learned=True,
    key=("item_id",),
    fields=(ITEM_ID, F("factors", "array<float>", "ALS factors")),
)

TRAINING_EXAMPLES = Contract(
    name="training_examples",
    row="one user, history and next item for the deep model; index 0 pads, an item's index is item_idx + 1",
    made_by="materialize_dataset",
    learned=True,
    key=(),
    fields=(
        F("part", "string", "train or validation (a simulated-cold user or item)"),
        USER_IDX,
        F("attribute_idx", "array<int>", "encoded user attributes + 1, padded with 0 to a fixed length"),
        F("history_idx", "array<int>", "other items met, earlier ones first, item_idx + 1, padded with 0"),
        F("item_idx", "int", "the item met next, item_idx + 1"),
        F("weight", "float", "weight of the example in the loss"),
    ),
)

TRAINING_USERS = Contract(
    name="training_users",
    row="one user as the deep model sees it when it scores; an update holds those that it scores",
    made_by="materialize_dataset",
    key=("user_idx",),
    fields=(
        USER_IDX,
        F("attribute_idx", "array<int>", "encoded user attributes + 1, padded with 0"),
        F("history_idx", "array<int>", "items met, newest first, item_idx + 1, padded with 0"),
    ),
)

TRAINING_ITEMS = Contract(
    name="training_items",
    row="one item as the deep model sees it",
    made_by="materialize_dataset",
    key=("item_idx",),
    fields=(
        F("item_idx", "int", "item_idx of item_vectors + 1"),
        F("feature_idx", "array<int>", "encoded item attributes + 1, padded with 0"),
        F("dense", "array<float>", "text and session vectors, side by side; fixed length"),
        F("log_q", "float", "log of the item's share of training examples (the sampling correction)"),
        F("is_held_out", "boolean", "simulated cold: absent from the training part"),
    ),
)

TOWER_VECTORS = Contract(
    name="tower_vectors",
    row="one user or item in the deep model's space",
    made_by="train_coldstart",
    key=("side", "idx"),
    fields=(
        F("side", "string", "user or item"),
        F("idx", "bigint", "user_idx of user_profiles or item_idx of item_vectors", personal="position"),
        F("vector", "array<float>", "output of the tower, unit length divided by the temperature on the user's side"),
    ),
)

BLOCKS = Contract(
    name="blocks",
    row="one scorer's place in the concatenated scoring vectors",
    made_by="build_blocks",
    learned=True,
    key=("block",),
    fields=(
        F("block", "string", "a scorer whose score is a product of vectors, such as factors or popularity"),
        F("start", "int", "first position in the vector"),
        F("width", "int", "number of positions"),
        F(
            "spread",
            "double",
            "what users' vectors are divided by: root mean variance of known users' scores over items",
        ),
    ),
)

USER_BLOCKS = Contract(
    name="user_blocks",
    row="the scoring vector of one user: all blocks side by side, each divided by its spread, unweighted",
    made_by="build_blocks",
    key=("user_id",),
    fields=(
        USER_ID,
        F("route", "string", "which weights serve this user: the state of user_profiles"),
        F("n_events", "bigint", "events of any type"),
        F("vector", "array<float>", "blocks side by side, as the table blocks lays them out"),
    ),
)

ITEM_BLOCKS = Contract(
    name="item_blocks",
    row="the scoring vector of one item: all blocks side by side, unweighted",
    made_by="build_blocks",
    key=("item_id",),
    fields=(
        ITEM_ID,
        F("item_group", "string", "established (has events) or new"),
        F("n_events", "bigint", "events of any type"),
        F("vector", "array<float>", "blocks side by side, as the table blocks lays them out"),
    ),
)

BOOSTS = Contract(
    name="boosts",
    row="the sparse scores of one user by one scorer, side by side; updates leave deletion vectors",
    made_by="build_blocks",
    key=("user_id", "scorer", "item_group"),
    cluster_by=("user_id",),
    fields=(
        USER_ID,
        F("scorer", "string", "habit, recent, repeat, neighbours, ease, similar_users, content or pairs"),
        F("item_group", "string", "of the items, as item_blocks has it: established, new, or any"),
        F("item_ids", "array<string>", "item_id of items, the highest score first, ties by item_id"),
        F("scores", "array<double>", "their scores, at least 0"),
        F(
            "because_item_ids",
            "array<string>",
            "of each the item of the user's history that speaks most for it; empty where the scorer names none",
        ),
    ),
)

TRAINING_LOG = Contract(
    name="training_log",
    row="one epoch of the deep model's training",
    made_by="train_coldstart",
    learned=True,
    key=("epoch",),
    fields=(
        F("epoch", "int", "from 1"),
        F("loss", "double", "mean training loss over all ranks"),
        F(
            "validation_loss",
            "double",
            "mean -log probability of the item of a simulated-cold example among its candidates; null where none were "
            "held out",
            nullable=True,
        ),
        F("validation_recall", "double", "recall@10 on the same examples", nullable=True),
        F("seconds", "double", "wall time of the epoch", unit="s"),
        F("ranks", "int", "training processes"),
        F("weights_sha256", "string", "hash of the weights, equal on every rank"),
    ),
)

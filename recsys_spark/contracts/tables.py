"""The tables, in the order in which a refresh makes them."""

from __future__ import annotations

from recsys_spark.contracts.model import Contract
from recsys_spark.contracts.model import Field as F  # noqa: N817 - one letter keeps a column on one line

USER_ID = F("user_id", "string", "external id of the user")
ITEM_ID = F("item_id", "string", "external id of the item")

EVENTS = Contract(
    name="events",
    row="one thing a user did, cleaned and without duplicates",
    made_by="ingest",
    key=("event_id",),
    cluster_by=("ts",),
    fields=(
        F("event_id", "string", "SHA-256 of the event's other columns"),
        USER_ID,
        F("item_id", "string", "external id of the item; null for a search", nullable=True),
        F("event_type", "string", "view, search, cart, purchase, or another type that the settings weigh"),
        F("ts", "timestamp", "when it happened", unit="UTC"),
        F("query_text", "string", "what was searched for", nullable=True),
        F("quantity", "double", "units bought, viewed or put into the cart", unit="pieces"),
        F("price", "double", "price of one unit at that time", nullable=True, unit="shop currency"),
        F("dwell_seconds", "double", "time spent on the item's page", nullable=True, unit="s"),
        F("platform", "string", "web, app, store, …", nullable=True),
        F("session_id", "string", "visit or basket", nullable=True),
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
        F("raw_row", "string", "the row as JSON"),
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
        row=f"one attribute value of {side}s, or cross of two, that the vectors encode",
        made_by=made_by,
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
        F("user_idx", "bigint", "position, dense from 0 in the order of user_id"),
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
        F("item_idx", "bigint", "position, dense from 0 in the order of item_id"),
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
    key=("item_id",),
    fields=(ITEM_ID, F("factors", "array<float>", "ALS factors")),
)

TRAINING_EXAMPLES = Contract(
    name="training_examples",
    row="one user, history and next item for the deep model; index 0 pads, an item's index is item_idx + 1",
    made_by="materialize_dataset",
    key=(),
    fields=(
        F("part", "string", "train or validation (a simulated-cold user or item)"),
        F("user_idx", "bigint", "user_idx of user_profiles"),
        F("attribute_idx", "array<int>", "encoded user attributes + 1, padded with 0 to a fixed length"),
        F("history_idx", "array<int>", "other items met, earlier ones first, item_idx + 1, padded with 0"),
        F("item_idx", "int", "the item met next, item_idx + 1"),
        F("weight", "float", "weight of the example in the loss"),
    ),
)

TRAINING_USERS = Contract(
    name="training_users",
    row="one user as the deep model sees it when it scores",
    made_by="materialize_dataset",
    key=("user_idx",),
    fields=(
        F("user_idx", "bigint", "user_idx of user_profiles"),
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
        F("idx", "bigint", "user_idx of user_profiles or item_idx of item_vectors"),
        F("vector", "array<float>", "output of the tower, unit length divided by the temperature on the user's side"),
    ),
)

BLOCKS = Contract(
    name="blocks",
    row="one scorer's place in the concatenated scoring vectors",
    made_by="build_blocks",
    key=("block",),
    fields=(
        F("block", "string", "factors, content, demographic, popularity, deep, …"),
        F("start", "int", "first position in the vector"),
        F("width", "int", "number of positions"),
    ),
)

USER_BLOCKS = Contract(
    name="user_blocks",
    row="the scoring vector of one user: all blocks side by side, unweighted",
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
    row="one sparse score: a user, an item, and the scorer that connects them",
    made_by="build_blocks",
    key=("user_id", "item_id", "scorer"),
    cluster_by=("user_id",),
    fields=(
        USER_ID,
        ITEM_ID,
        F("scorer", "string", "habit (bought before) or neighbours (goes with what was met)"),
        F("value", "double", "score, at least 0"),
        F("because_item_id", "string", "the item of the user's history that speaks most for it", nullable=True),
    ),
)

ROUTE_WEIGHTS = Contract(
    name="route_weights",
    row="one scorer's weight for one kind of user and one kind of item",
    made_by="learn_weights",
    key=("route", "item_group", "scorer"),
    fields=(
        F("route", "string", "state of the user: cold, warming, warm or inactive"),
        F("item_group", "string", "established or new"),
        F("scorer", "string", "a block or a boost"),
        F("scale", "double", "standard deviation of the scorer's scores over the simulated candidates"),
        F("weight", "double", "weight of the scaled score, at least 0"),
        F("slope", "double", "calibration: probability = sigmoid(slope * score + intercept); equal over scorers"),
        F("intercept", "double", "calibration, see slope"),
        F("n_users", "bigint", "simulated users that the weights were learned on"),
    ),
)

RECOMMENDATIONS = Contract(
    name="recommendations",
    row="one place of one user's list on one shelf",
    made_by="recommend",
    key=("shelf", "user_id", "rank"),
    cluster_by=("shelf", "user_id"),
    fields=(
        F("shelf", "string", "name of the list, such as for_you"),
        USER_ID,
        F("rank", "int", "place, 1 is best"),
        ITEM_ID,
        F("score", "double", "calibrated probability that the user takes the item; comparable across routes"),
        F("route", "string", "cold, warming, warm or inactive: which weights made the row"),
        F("reason", "string", "why, in words"),
        F("evidence", "map<string,double>", "scorer to its share of what speaks for the item; below 0 speaks against"),
        F("model_version", "string", "hash of the model and weights that made the row"),
        F("source_version", "string", "run that made the row, and its as-of time"),
    ),
)

ITEM_AUDIENCES = Contract(
    name="item_audiences",
    row="one user to show a new item to",
    made_by="recommend",
    key=("item_id", "rank"),
    cluster_by=("item_id",),
    fields=(
        ITEM_ID,
        F("rank", "int", "place, 1 is best"),
        USER_ID,
        F("score", "double", "calibrated probability that the user takes the item"),
        F("route", "string", "cold, warming, warm or inactive"),
    ),
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

METRICS = Contract(
    name="metrics",
    row="one metric of one model on one slice",
    made_by="backtest",
    key=("model", "slice", "bucket", "metric", "k"),
    fields=(
        F("model", "string", "recsys, a baseline, 'only SCORER', or 'without SCORER'"),
        F("slice", "string", "warm, cold_user, cold_item, cold_both"),
        F("bucket", "string", "all, or the number of interactions: 0, 1, 2, 3-5, 6-10, >10"),
        F("metric", "string", "recall, precision, f1, ndcg, hit_rate, coverage, novelty, served, full_list"),
        F("k", "int", "length of the list that is judged"),
        F("value", "double", "mean over the slice's users"),
        F("low", "double", "2.5 % bootstrap bound; the value itself where there is no distribution over users"),
        F("high", "double", "97.5 % bootstrap bound"),
        F("n_users", "bigint", "users in the slice"),
    ),
)

TRAINING_LOG = Contract(
    name="training_log",
    row="one epoch of the deep model's training",
    made_by="train_coldstart",
    key=("epoch",),
    fields=(
        F("epoch", "int", "from 1"),
        F("loss", "double", "mean training loss over all ranks"),
        F("validation_recall", "double", "recall@10 on simulated-cold validation examples"),
        F("seconds", "double", "wall time of the epoch", unit="s"),
        F("ranks", "int", "training processes"),
        F("weights_sha256", "string", "hash of the weights, equal on every rank"),
    ),
)

RELEASES = Contract(
    name="releases",
    row="one refresh that was published, or refused",
    made_by="refresh",
    key=("run_id",),
    fields=(
        F("run_id", "string", "name of the refresh"),
        F("as_of", "timestamp", "events before this time were used", unit="UTC"),
        F("state", "string", "published or refused"),
        F("detail", "string", "why it was refused; empty if published"),
        F("tables", "map<string,bigint>", "Delta version of every table of the release"),
        F("model_sha256", "string", "hash of the deep model's weights"),
        F("settings_sha256", "string", "hash of the resolved settings"),
        F("settings", "string", "the resolved settings as JSON"),
        F("metrics", "map<string,double>", "headline metrics of the backtest, named slice/metric@k"),
    ),
)

ALL_TABLES: dict[str, Contract] = {
    c.name: c
    for c in (
        EVENTS,
        USERS,
        ITEMS,
        QUARANTINE,
        DATA_QUALITY,
        TRUTH,
        INTERACTIONS,
        USER_FEATURES,
        USER_PROFILES,
        ITEM_FEATURES,
        ITEM_VECTORS,
        USER_FACTORS,
        ITEM_FACTORS,
        TRAINING_EXAMPLES,
        TRAINING_USERS,
        TRAINING_ITEMS,
        TOWER_VECTORS,
        TRAINING_LOG,
        BLOCKS,
        USER_BLOCKS,
        ITEM_BLOCKS,
        BOOSTS,
        ROUTE_WEIGHTS,
        RECOMMENDATIONS,
        ITEM_AUDIENCES,
        METRICS,
        RELEASES,
    )
}


def table(name: str) -> Contract:
    """The contract of that name; KeyError names the tables there are."""
    try:
        return ALL_TABLES[name]
    except KeyError:
        raise KeyError(f"no table is called {name}; there are {', '.join(ALL_TABLES)}") from None

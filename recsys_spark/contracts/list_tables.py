"""What is given out: weights, lists, audiences, metrics and releases."""

from __future__ import annotations

from recsys_spark.contracts.model import Contract
from recsys_spark.contracts.model import Field as F  # noqa: N817 - one letter keeps a column on one line
from recsys_spark.contracts.source_tables import ITEM_ID, USER_ID

ROUTE_WEIGHTS = Contract(
    name="route_weights",
    row="one scorer's weight for one kind of user and one kind of item",
    made_by="learn_weights",
    learned=True,
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

METRICS = Contract(
    name="metrics",
    row="one metric of one model on one slice",
    made_by="backtest",
    key=("model", "slice", "bucket", "metric", "k"),
    fields=(
        F("model", "string", "recsys, a baseline, 'only SCORER', or 'without SCORER'"),
        F("slice", "string", "warm, cold_user, cold_item, cold_both"),
        F("bucket", "string", "all, or the user's (item_recall: the item's) interactions: 0, 1, 2, 3-5, 6-10, >10"),
        F(
            "metric",
            "string",
            "recall, precision, f1, ndcg, hit_rate, novelty, served, coverage, full_list or item_recall",
        ),
        F("k", "int", "length of the list that is judged"),
        F("value", "double", "mean over the slice's users"),
        F("low", "double", "2.5 % bootstrap bound; the value itself where there is no distribution over users"),
        F("high", "double", "97.5 % bootstrap bound"),
        F("n_users", "bigint", "users in the slice"),
    ),
)

SETTINGS_TRIALS = Contract(
    name="settings_trials",
    row="one trial of other settings; the chosen row's are used wherever the settings file leaves them open",
    made_by="backtest",
    key=("trial",),
    fields=(
        F("trial", "int", "in the order in which they were judged; 0 has the settings that were in use"),
        F("settings", "map<string,string>", "dotted key of each setting that was searched to its value as JSON"),
        F("ndcg", "map<string,double>", "slice to ndcg on the split that the search used"),
        F("ratio", "double", "mean over slices of ndcg to that of trial 0"),
        F("confirmed", "double", "the ratio on another split; only the best trial is judged there", nullable=True),
        F("chosen", "boolean", "the best trial if it was better on the other split too, else trial 0"),
    ),
)

CLAIMS = Contract(
    name="claims",
    row="one driver that took a run up; the last one may go on",
    made_by="refresh",
    key=("run_id", "driver"),
    fields=(
        F("run_id", "string", "name of the run"),
        F("attempt", "int", "1 for the driver that began the run, one more for each that took it up again"),
        F("driver", "string", "token of the driver; of equal attempts, the larger one counts"),
    ),
)

ERASURES = Contract(
    name="erasures",
    row="one erasure of users, without their ids",
    made_by="erase",
    key=("run_id",),
    fields=(
        F("run_id", "string", "name of the erasure"),
        F("asked_at", "timestamp", "time of the request, as --as-of says it", nullable=True, unit="UTC"),
        F("n_users", "bigint", "users that were to be erased"),
        F("rows_erased", "map<string,bigint>", "table (backtest/NAME for the other fold) to the rows taken out"),
        F("ended_runs", "array<string>", "runs that had not published; they hold what was erased and must not go on"),
        F("digests", "array<string>", "keyed digests by which ingest knows the users again; none without a key"),
    ),
)

RELEASES = Contract(
    name="releases",
    row="one refresh that was published, refused, or withdrawn later",
    made_by="refresh",
    key=("run_id", "state"),
    fields=(
        F("run_id", "string", "name of the refresh"),
        F("as_of", "timestamp", "events before this time were used", unit="UTC"),
        F("state", "string", "published, refused, or withdrawn by a rollback or an erasure"),
        F("detail", "string", "why it was refused or withdrawn; empty if published"),
        F("tables", "map<string,bigint>", "Delta version of every table of the release"),
        F("model_sha256", "string", "hash of the deep model's weights"),
        F("settings_sha256", "string", "hash of the resolved settings"),
        F("settings", "string", "the resolved settings as JSON"),
        F("metrics", "map<string,double>", "headline metrics of the backtest, named slice/metric@k"),
    ),
)

"""Cut the events into what a backtest may learn from and the truth that it is judged by.

A share of the users and of the items that have events is hidden entirely, so that they look new; of what is left, the
end of time (or of each user's history) is held out. Which id is hidden depends on a seeded hash of the id alone, so the
same ids are hidden however the data is partitioned and whatever is added to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.config.ranking import BacktestSettings
from recsys_spark.contracts import table
from recsys_spark.errors import SourceError
from recsys_spark.kernels.draw import hash_share

PURCHASE = "purchase"
"""Resolution of the hidden shares."""
SPANNING_SHARE = 0.3
"""``auto`` cuts time if at least this share of the users with several items has events on both sides of the cut."""
ENOUGH_DESCRIBED_USERS = 500
ENOUGH_DESCRIBED_SHARE = 0.5

MOST_HIDDEN = 0.4
"""Share of the users that is hidden at most for the sake of min_cold_users; the rest must still be learned from."""


@dataclass(frozen=True)
class SplitPlan:
    """What has to be known about the data before it is cut.

    Attributes:
        method: ``time`` (hold out what happened from ``cut`` on) or ``last`` (the end of each user's history).
        cut: Start of the hold-out period of ``time``; unused by ``last``.
        described_only: Hide only users with attributes: a cold user without any teaches nothing about attributes.
        purchases_only: Only purchases count as truth, because there are some.
        cold_user_share: Share of the users that may be hidden; None for the setting as it is.
        cold_item_share: The same of the items.
    """

    method: str
    cut: datetime
    described_only: bool
    purchases_only: bool
    cold_user_share: float | None = None
    cold_item_share: float | None = None


def plan_split(events: DataFrame, users: DataFrame, settings: BacktestSettings) -> SplitPlan:
    """Look at the data, by a few aggregates of one row each, and decide how to cut it.

    Where all users or all items with events would be hidden, as can happen with a handful of them, none of them is.

    Args:
        events: Table ``events``.
        users: Table ``users``.
        settings: ``holdout`` ``auto`` is resolved here.

    Raises:
        SourceError: there are no events, or ``time`` is asked for and the cut would leave nothing to learn from.
    """
    found = _time_span(events, settings.holdout_share)
    if found["first"] is None:
        raise SourceError("table events is empty; a backtest needs events: run ingest on a source that has some")
    cut = datetime.fromtimestamp(found["cut"], UTC)
    method = settings.holdout
    if method == "auto":
        method = "time" if _spanning_share(events, cut) >= SPANNING_SHARE else "last"
    if method == "time" and found["first"] >= found["cut"]:
        raise SourceError(
            f"table events: its first event is at or after the cut at {cut:%Y-%m-%d %H:%M} UTC, so nothing is left to "
            f"learn from; set backtest.holdout to last, or backtest.holdout_share below {settings.holdout_share}"
        )
    total, described = _active_users(events, users)
    described_only = described >= ENOUGH_DESCRIBED_USERS or 0 < ENOUGH_DESCRIBED_SHARE * total <= described
    share = _enough_hidden(settings, described if described_only else total)
    plan = SplitPlan(method, cut, described_only, bool(found["purchases"]), share, settings.cold_item_share)
    return _leaving_events(events, users, plan, settings)


def _leaving_events(events: DataFrame, users: DataFrame, plan: SplitPlan, settings: BacktestSettings) -> SplitPlan:
    """The plan, with the share of users or of items at 0 where hiding them would leave nothing to learn from."""
    known_user, known_item = ~F.col("hidden_user"), ~F.col("hidden_item")
    if plan.method == "time":
        events = events.where(F.col("ts") < F.lit(plan.cut))
    events = events.where(F.col("item_id").isNotNull())
    # The first plan hides more users and needs no attributes: one known pair of it is enough, and found at once.
    for hiding in (replace(plan, described_only=False), plan):
        marked = _with_hidden(events, users, hiding, settings)
        if not marked.where(known_user & known_item).isEmpty():
            return plan
    left = marked.agg(F.max(known_user).alias("users"), F.max(known_item).alias("items")).first()
    left_users, left_items = (left["users"], left["items"]) if left else (False, False)
    return replace(
        plan,
        cold_user_share=plan.cold_user_share if left_users and not left_items else 0.0,
        cold_item_share=plan.cold_item_share if left_items else 0.0,
    )


def _enough_hidden(settings: BacktestSettings, eligible: int) -> float:
    """The share of users to hide: more than the setting where that would leave too few to learn weights from."""
    if not settings.cold_user_share or not eligible:
        return settings.cold_user_share
    wanted = min(settings.min_cold_users / eligible, MOST_HIDDEN)
    return max(settings.cold_user_share, wanted)


def split(
    events: DataFrame, users: DataFrame, plan: SplitPlan, settings: BacktestSettings, discovery_only: bool
) -> tuple[DataFrame, DataFrame]:
    """The events that the backtest learns from, and the truth.

    Slices of the truth: ``warm`` (known user, known item, held out), ``cold_user`` (hidden user, known item),
    ``cold_item`` (known user, hidden item), ``cold_both``. Known means: still has training events.

    Args:
        events: Table ``events``.
        users: Table ``users``.
        plan: What ``plan_split`` found.
        settings: Shares and seed.
        discovery_only: No list shows what was bought before. ``last`` then holds out the item that a user met last for
            the first time, with all events of the pair, and pairs bought in the training events are no truth.

    Returns:
        ``(events, truth)``, both as their contracts say.
    """
    marked = _with_window(_with_hidden(events, users, plan, settings), plan, discovery_only)
    gone = F.col("hidden_user") | F.col("hidden_item") | F.col("held")
    train = marked.where(~gone)
    truth = _known_sides(marked.where(gone & F.col("counts")).transform(_as_pairs), train)
    if discovery_only:
        bought = train.where(F.col("event_type") == PURCHASE).select("user_id", "item_id").distinct()
        truth = truth.join(bought, ["user_id", "item_id"], how="left_anti")
    return train.select(*table("events").columns), _as_truth(truth, settings.seed)


def _time_span(events: DataFrame, holdout_share: float) -> dict:
    """First hour, quantile hour and whether anything was bought.

    Counted by the hour first, so that the quantile is exact (the approximate one depends on the order in which partial
    results arrive) and still holds one number an hour only.
    """
    hours = events.groupBy(F.unix_timestamp(F.date_trunc("hour", "ts")).alias("hour")).agg(
        F.count("*").alias("n"), F.max(F.col("event_type") == PURCHASE).alias("purchases")
    )
    quantile = F.percentile("hour", 1.0 - holdout_share, F.col("n")).cast("bigint")
    row = hours.agg(F.min("hour").alias("first"), quantile.alias("cut"), F.max("purchases").alias("purchases")).first()
    return row.asDict() if row else {"first": None}


def _spanning_share(events: DataFrame, cut: datetime) -> float:
    """Share of the users with at least two items whose events lie on both sides of the cut."""
    per_user = (
        events.where(F.col("item_id").isNotNull())
        .groupBy("user_id")
        .agg(
            (F.min("item_id") != F.max("item_id")).alias("several"),
            ((F.min("ts") < F.lit(cut)) & (F.max("ts") >= F.lit(cut))).alias("spans"),
        )
    )
    row = per_user.where("several").agg(F.avg(F.col("spans").cast("double")).alias("share")).first()
    return float(row["share"] or 0.0) if row else 0.0


def _active_users(events: DataFrame, users: DataFrame) -> tuple[int, int]:
    """How many users have events, and how many of them have attributes."""
    active = events.select("user_id").distinct().join(_described(users), "user_id", how="left")
    row = active.agg(F.count("*").alias("users"), F.count("described").alias("described")).first()
    return (row["users"], row["described"]) if row else (0, 0)


def _described(users: DataFrame) -> DataFrame:
    """The users with at least one attribute value: user_id, described = true."""
    has_value = F.exists(F.map_values("attributes"), lambda values: F.size(values) > 0)
    return users.where(has_value).select("user_id", F.lit(True).alias("described"))


def _hash_share(seed: int, salt: str, column: str) -> Column:
    """A number in [0, 1) that depends on seed, salt and id alone."""
    return hash_share(F.lit(seed), F.lit(salt), F.col(column))


def _with_hidden(events: DataFrame, users: DataFrame, plan: SplitPlan, settings: BacktestSettings) -> DataFrame:
    """Add hidden_user, hidden_item and counts (the event would be truth if it were held out)."""
    user_share = settings.cold_user_share if plan.cold_user_share is None else plan.cold_user_share
    item_share = settings.cold_item_share if plan.cold_item_share is None else plan.cold_item_share
    hidden_user = _hash_share(settings.seed, "user", "user_id") < user_share
    if plan.described_only:
        events = events.join(_described(users), "user_id", how="left")
        hidden_user = hidden_user & F.col("described").isNotNull()
    has_item = F.col("item_id").isNotNull()
    of_kind = (F.col("event_type") == PURCHASE) if plan.purchases_only else F.lit(True)
    return events.select(
        *table("events").columns,
        hidden_user.alias("hidden_user"),
        (has_item & (_hash_share(settings.seed, "item", "item_id") < item_share)).alias("hidden_item"),
        (has_item & of_kind).alias("counts"),
    )


def _with_window(marked: DataFrame, plan: SplitPlan, discovery_only: bool) -> DataFrame:
    """Add in_window (in the hold-out period of this user) and held (held out, of a known user and a known item)."""
    known = ~F.col("hidden_user") & ~F.col("hidden_item")
    if plan.method == "time":
        in_window = F.col("ts") >= F.lit(plan.cut)
        return marked.select("*", in_window.alias("in_window"), (in_window & known).alias("held"))
    ends = _last_items(marked, known) if discovery_only else _last_days(marked, known)
    in_window = F.coalesce(F.col("ts") >= F.coalesce("held_from", "last_day"), F.lit(False))
    # A search is held out by time even where an item is: its text would give the item away.
    by_time = F.col("held_item").isNull() | F.col("item_id").isNull()
    held = F.when(by_time, in_window).otherwise(F.col("item_id") == F.col("held_item"))
    return marked.join(ends, "user_id", how="left").select(
        *marked.columns,
        in_window.alias("in_window"),
        (F.col("held_from").isNotNull() & known & held).alias("held"),
    )


def _last_days(marked: DataFrame, known: Column) -> DataFrame:
    """For each user the last day with truth, and where its hold-out starts: null if there is no earlier day."""
    day = F.date_trunc("day", "ts")
    ends = marked.groupBy("user_id").agg(
        F.max(F.when(F.col("counts"), day)).alias("last_day"),
        F.max(F.when(known & F.col("counts"), day)).alias("last_known_day"),
        F.min(F.when(known & F.col("item_id").isNotNull(), day)).alias("first_known_day"),
    )
    held_from = F.when(F.col("first_known_day") < F.col("last_known_day"), F.col("last_known_day"))
    no_item = F.lit(None).cast("string")
    return ends.select("user_id", "last_day", held_from.alias("held_from"), no_item.alias("held_item"))


def _last_items(marked: DataFrame, known: Column) -> DataFrame:
    """For each user the last day with truth, and the item met last for the first time if there are several items."""
    first_met = (
        marked.where(F.col("counts"))
        .groupBy("user_id", "item_id")
        .agg(F.min("ts").alias("met"), F.max("ts").alias("last"), F.first(known).alias("known"))
    )
    met = F.struct("met", "item_id")
    ends = first_met.groupBy("user_id").agg(
        F.date_trunc("day", F.max("last")).alias("last_day"),
        F.max(F.when(F.col("known"), met)).alias("latest"),
        F.count_if("known").alias("n_known"),
    )
    held = F.when(F.col("n_known") >= 2, F.col("latest"))
    return ends.select(
        "user_id",
        "last_day",
        F.date_trunc("day", held["met"]).alias("held_from"),
        held["item_id"].alias("held_item"),
    )


def _as_pairs(hidden: DataFrame) -> DataFrame:
    """One row for each hidden user and item."""
    return hidden.groupBy("user_id", "item_id", "hidden_user", "hidden_item").agg(F.max("in_window").alias("in_window"))


def _known_sides(pairs: DataFrame, train: DataFrame) -> DataFrame:
    """The pairs whose known side still has training events."""
    users = train.select("user_id").distinct().withColumn("user_trained", F.lit(True))
    items = train.where(F.col("item_id").isNotNull()).select("item_id").distinct()
    items = items.withColumn("item_trained", F.lit(True))
    return (
        pairs.join(users, "user_id", how="left")
        .join(items, "item_id", how="left")
        .where(F.col("hidden_user") | F.col("user_trained").isNotNull())
        .where(F.col("hidden_item") | F.col("item_trained").isNotNull())
    )


def _as_truth(pairs: DataFrame, seed: int) -> DataFrame:
    """Name slice and half, and select the contract's columns."""
    slices = (
        F.when(F.col("hidden_user") & F.col("hidden_item"), "cold_both")
        .when(F.col("hidden_user"), "cold_user")
        .when(F.col("hidden_item"), "cold_item")
        .otherwise("warm")
    )
    half = F.when(_hash_share(seed, "half", "user_id") < 0.5, "learn").otherwise("report")
    return pairs.select(slices.alias("slice"), "user_id", "item_id", half.alias("half"), "in_window")

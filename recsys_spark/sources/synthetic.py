"""A seeded, made-up shop at any scale, with planted tastes that a recommender must find.

The tastes: in TASTE_SHARE of their choices users take from the department of their age group, in HABIT_SHARE from ten
items of their own, else from the whole shop; and of up to three candidates they take the first whose brand suits their
gender. Users without events have attributes alone, and the same tastes once they come.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.config.source import SyntheticSource
from recsys_spark.sources.catalogue import (
    BRANDS,
    DEPARTMENTS,
    END,
    NOUNS,
    age_days_of,
    brand_of,
    department_of,
    is_new,
    item_id_of,
    make_items,
    price_of,
)
from recsys_spark.sources.dice import exponential, index_of, normal, one_of, uniform
from recsys_spark.sources.raw import RawTables, as_raw

AGE_GROUPS = ("18-24", "25-34", "35-49", "50-64", "65+")
"""The age group at a position favours the department at the same position."""

GENDERS = ("female", "male")
"""The first favours the brands at even positions, the second those at odd ones."""

TASTE_SHARE = 0.45
HABIT_SHARE = 0.25
HABIT_ITEMS = 10
CANDIDATES = 3
POPULARITY_SKEW = 1.6
"""An item's number is a uniform draw to this power times the number of items: low numbers sell best."""

CHOICES_PER_SESSION = 4
SEARCH_SHARE, CART_SHARE, PURCHASE_SHARE = 0.10, 0.40, 0.25
"""Shares of the choices that begin with a search, that reach the cart, and that go on to a purchase."""

EVENTS_PER_CHOICE = 1.0 + SEARCH_SHARE + CART_SHARE + PURCHASE_SHARE
SECONDS_PER_DAY = 86_400.0


def make_shop(spark: SparkSession, source: SyntheticSource) -> RawTables:
    """Raw events, users and items of the shop that the settings describe; equal settings make equal rows."""
    return RawTables(
        events=as_raw("events", _events(spark, source)),
        users=as_raw("users", _users(spark, source)),
        items=as_raw("items", make_items(spark, source)),
    )


def _users(spark: SparkSession, source: SyntheticSource) -> DataFrame:
    user, seed = F.col("id"), source.seed
    city = one_of(("north", "south", "coast"), uniform(seed, "city", user))
    income = F.round(normal(40_000.0, 12_000.0, uniform(seed, "income", user), uniform(seed, "income 2", user)), 0)
    known_income = F.when(uniform(seed, "income known", user) < 0.9, income)
    attributes = {
        "age_group": F.element_at(F.array(*[F.lit(a) for a in AGE_GROUPS]), _age(user, seed) + 1),
        "gender": F.element_at(F.array(*[F.lit(g) for g in GENDERS]), _gender(user, seed) + 1),
        "region": F.when(uniform(seed, "region known", user) < 0.8, city),
    }
    return spark.range(source.users).select(
        _user_id(user).alias("user_id"),
        F.create_map(*[part for k, v in attributes.items() for part in (F.lit(k), F.array(v))]).alias("attributes"),
        F.create_map(F.lit("income"), known_income).alias("measures"),
    )


def _events(spark: SparkSession, source: SyntheticSource) -> DataFrame:
    """Users, times their choices, times the events that a choice leaves."""
    choices = _choices(spark, source)
    return choices.select("*", F.explode(_funnel(source)).alias("event")).select(
        _user_id(F.col("user")).alias("user_id"),
        F.when(F.col("event.type") != "search", item_id_of(F.col("item"))).alias("item_id"),
        F.col("event.type").alias("event_type"),
        F.timestamp_seconds(F.col("seconds") + F.col("event.delay")).alias("ts"),
        F.when(F.col("event.type") == "search", F.col("query_text")).alias("query_text"),
        F.when(F.col("event.type") == "purchase", F.col("pieces")).otherwise(F.lit(1.0)).alias("quantity"),
        F.when(F.col("event.type") != "search", price_of(F.col("item"), source.seed)).alias("price"),
        F.when(F.col("event.type") == "view", F.col("dwell_seconds")).alias("dwell_seconds"),
        "platform",
        F.format_string("visit-%d-%d", "user", "session").alias("session_id"),
    )


def _choices(spark: SparkSession, source: SyntheticSource) -> DataFrame:
    """One row a choice of an item: user, choice, session, seconds, item and what surrounds it."""
    seed, key = source.seed, (F.col("user"), F.col("choice"))
    mean = source.events_per_user / EVENTS_PER_CHOICE
    count = 1 + F.floor(exponential(max(mean - 0.5, 0.0), uniform(seed, "activity", F.col("user"))))
    active = (
        spark.range(source.users)
        .select(F.col("id").alias("user"))
        .where(uniform(seed, "new user", F.col("user")) >= source.new_user_share)
    )
    timed = (
        active.select("user", F.explode(F.sequence(F.lit(0), (count - 1).cast("int"))).alias("choice"))
        .select("user", "choice", F.floor(F.col("choice") / CHOICES_PER_SESSION).alias("session"))
        .select("*", _seconds(source).alias("seconds"))
    )
    chosen = timed.select("*", F.array(*[_candidate(source, n) for n in range(CANDIDATES)]).alias("candidates"))
    chosen = chosen.select("*", _taken(source).alias("item")).where(F.col("item").isNotNull()).drop("candidates")
    return chosen.select(
        "*",
        _query(source).alias("query_text"),
        F.floor(1.0 + 3.0 * F.pow(uniform(seed, "pieces", *key), 3.0)).cast("double").alias("pieces"),
        F.round(4.0 + exponential(45.0, uniform(seed, "dwell", *key)), 1).alias("dwell_seconds"),
        one_of(("web", "app", "store"), uniform(seed, "platform", F.col("user"), F.col("session"))).alias("platform"),
    )


def _seconds(source: SyntheticSource) -> Column:
    """Time of a choice in epoch seconds; quiet users stop half-way through the shop's days."""
    session = uniform(source.seed, "visit", F.col("user"), F.col("session"))
    quiet = uniform(source.seed, "quiet user", F.col("user")) < source.quiet_user_share
    days_after_start = F.when(quiet, session * 0.5).otherwise(session) * (source.days - 0.1)
    within = F.pmod(F.col("choice"), F.lit(CHOICES_PER_SESSION)) * 240.0
    start = END.timestamp() - source.days * SECONDS_PER_DAY
    return F.floor(F.lit(start) + days_after_start * SECONDS_PER_DAY + within).cast("double")


def _candidate(source: SyntheticSource, number: int) -> Column:
    """The item number of one candidate of a choice: of the favoured department, of the own items, or of any."""
    seed, items = source.seed, source.items
    key = (F.col("user"), F.col("choice"), F.lit(number))
    habit = index_of(HABIT_ITEMS, uniform(seed, "which habit", *key))
    own = _popular(uniform(seed, "habit", F.col("user"), habit), items)
    anything = _popular(uniform(seed, "item", *key), items)
    # A shop of fewer items than departments has no item at that place; such a choice falls on the last item.
    favoured = F.least(anything - department_of(anything) + _age(F.col("user"), seed), F.lit(items - 1))
    kind = uniform(seed, "kind", *key)
    return (
        F.when(kind < TASTE_SHARE, favoured)
        .when(kind < TASTE_SHARE + HABIT_SHARE, own)
        .otherwise(anything)
        .cast("bigint")
    )


def _taken(source: SyntheticSource) -> Column:
    """The first candidate on sale whose brand suits the user, else the first on sale; null if none is."""
    launched = F.lit(END.timestamp())
    on_sale = F.filter(
        "candidates",
        lambda item: (
            ~is_new(item, source) & (launched - age_days_of(item, source) * SECONDS_PER_DAY <= F.col("seconds"))
        ),
    )
    gender = _gender(F.col("user"), source.seed)
    suits = F.filter(on_sale, lambda item: brand_of(item, source.seed) % len(GENDERS) == gender)
    return F.coalesce(F.try_element_at(suits, F.lit(1)), F.try_element_at(on_sale, F.lit(1)))


def _funnel(source: SyntheticSource) -> Column:
    """The events of a choice, in order: perhaps a search, a view, perhaps the cart, perhaps a purchase."""
    key = (F.col("user"), F.col("choice"))
    draw = uniform(source.seed, "depth", *key)
    searched = uniform(source.seed, "search", *key) < SEARCH_SHARE
    steps = (
        (searched, "search", 0.0),
        (F.lit(True), "view", 10.0),
        (draw < CART_SHARE, "cart", 100.0),
        (draw < PURCHASE_SHARE, "purchase", 200.0),
    )
    event = [
        F.when(happens, F.struct(F.lit(name).alias("type"), F.lit(delay).alias("delay")))
        for happens, name, delay in steps
    ]
    return F.array_compact(F.array(*event))


def _query(source: SyntheticSource) -> Column:
    item = F.col("item")
    department = F.element_at(F.array(*[F.lit(d) for d in DEPARTMENTS]), (department_of(item) + 1).cast("int"))
    brand = F.element_at(F.array(*[F.lit(b.lower()) for b in BRANDS]), brand_of(item, source.seed) + 1)
    noun = one_of(NOUNS, uniform(source.seed, "noun", item))
    by_brand = uniform(source.seed, "query", F.col("user"), F.col("choice")) < 0.5
    return F.when(by_brand, F.concat_ws(" ", brand, noun)).otherwise(F.concat_ws(" ", department, noun))


def _popular(draw: Column, items: int) -> Column:
    return F.floor(F.pow(draw, POPULARITY_SKEW) * items)


def _age(user: Column, seed: int) -> Column:
    return index_of(len(AGE_GROUPS), uniform(seed, "age", user))


def _gender(user: Column, seed: int) -> Column:
    return index_of(len(GENDERS), uniform(seed, "gender", user))


def _user_id(user: Column) -> Column:
    return F.format_string("user-%08d", user)

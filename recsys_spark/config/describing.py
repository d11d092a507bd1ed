"""How rows are cleaned, and users and items described."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsys_spark.config.group import Count, EventType, Group, Positive

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CleaningSettings(Group):
    """What is refused, capped, dropped or filled."""

    future_tolerance_hours: Annotated[float, Field(ge=0, le=87_600)] = 24.0
    """Events later than as-of plus this are refused."""
    max_quantity: Positive = 100.0
    """The largest quantity that one event may have."""
    quantity_action: Literal["cap", "quarantine"] = "cap"
    """What happens to quantities above max_quantity."""
    max_dwell_seconds: Positive = 3600.0
    """Longer dwell times are cut to this."""
    max_events_per_user_day: Count = 2_000
    """More events than this by one user on one day look like a bot."""
    bot_action: Literal["keep", "quarantine"] = "quarantine"
    """What happens to the events of a user and day that look like a bot's."""
    unknown_ids: Literal["add", "quarantine"] = "add"
    """Events of users or items without a master row: add a bare row, or refuse the event."""
    fill_measures: Literal["none", "drop", "constant", "mean", "median", "knn"] = "none"
    """Missing numeric measures and prices: leave, refuse the row, or fill."""
    fill_constant: float = 0.0
    """What fill_measures: constant fills in."""
    fill_neighbours: Count = 5
    """Nearest rows that fill_measures: knn takes the number from."""
    normalise_measures: Literal["none", "standard", "minmax"] = "none"
    """Measures, never prices: as they are, or scaled to mean 0 and deviation 1, or to between 0 and 1."""
    exclude_item_values: dict[str, tuple[str, ...]] = {}
    """Item attribute, brand or category (any level) to values that are no products; such items are quarantined."""


class ProfileSettings(Group):
    """How behaviour becomes profiles."""

    event_weights: dict[EventType, Weight] = {"view": 0.1, "search": 0.1, "cart": 0.4, "purchase": 1.0}
    """How much an event of each type counts."""
    default_event_weight: Weight = 0.1
    """Weight of event types that event_weights does not name."""
    dwell_weight: Annotated[float, Field(ge=0)] = 0.1
    """A view's weight grows by this times log(1 + dwell_seconds / 30)."""
    half_life_days: Positive = 180.0
    """After so many days an event counts half, in habits, shares and popularity."""
    warm_from_items: Count = 5
    """Distinct items from which a user is warm; fewer (but some) is warming."""
    inactive_after_days: Positive = 365.0
    """Users whose last event is older are inactive."""
    min_feature_holders: Count = 5
    """Attribute values of fewer users than this are not encoded."""
    max_features: Annotated[int, Field(ge=1, le=4096)] = 256
    """Most frequent user attribute values that are encoded."""
    id_order: bool = True
    """Users whose ids are numbers are told apart by their order, which says who came when; pseudonyms have none."""


class VectorSettings(Group):
    """How items become vectors."""

    min_feature_holders: Count = 2
    """Attribute values and pairs of fewer items than this are not encoded."""
    max_features: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    """Most frequent attribute values and pairs that are encoded; the vocabulary is sent to every task."""
    pairs: bool = True
    """Encode pairs such as brand and category as features of their own."""
    price_bins: Annotated[int, Field(ge=2, le=100)] = 10
    """Parts, equally filled, into which prices and measures are cut to be encoded."""
    id_order: bool = True
    """Items whose ids are numbers are told apart by their order, which says what came when, and with what."""
    text: bool = True
    """Whether titles and descriptions become vectors."""
    text_width: Annotated[int, Field(ge=8, le=512)] = 64
    """Length of the vector of an item's text."""
    session: bool = True
    """Whether the company of an item in sessions becomes a vector."""
    session_width: Annotated[int, Field(ge=8, le=512)] = 32
    """Length of the vector of an item's company in sessions."""

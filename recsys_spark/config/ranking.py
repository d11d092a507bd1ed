"""The lists, and how they are judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from recsys_spark.config.group import Count, Group, Seed, Share


class ShelfSettings(Group):
    """A named list: which items, how many, and whether what was bought may come again."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    """Name of the list, in the column shelf of the table recommendations."""
    filter: str = "true"
    """SQL condition over items, with n_events, n_users, popularity and item_group added; such as brand = 'Acme'."""
    length: Annotated[int, Field(ge=1, le=1000)] = 10
    """Places of a list."""
    exclude_purchased: bool = False
    """Whether items that the user has bought are left out."""
    max_per_brand: Count | None = None
    """Places of one list that a brand may have; unset, any number."""
    max_per_category: Count | None = None
    """The same for the narrowest category."""


class RankSettings(Group):
    """Lists and audiences."""

    shelves: Annotated[tuple[ShelfSettings, ...], Field(min_length=1)] = (
        ShelfSettings(name="for_you"),
        ShelfSettings(name="established", filter="item_group = 'established'"),
        ShelfSettings(name="new_arrivals", filter="item_group = 'new'"),
    )
    """The lists that every user gets."""
    audience_length: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Users in the audience of a new item."""
    users_per_task: Count = 25_000
    """Users of a task; of audiences, its new items too."""
    items_per_task: Count = 100_000
    """There are three copies of a task's items at times: 100,000 of 300 numbers take 360 MB. Fewer items a task mean
    more shards, whose partial lists are shuffled and merged."""

    @property
    def discovery_only(self) -> bool:
        """Whether no shelf shows what was bought before; the backtest then judges on items new to the user."""
        return all(s.exclude_purchased for s in self.shelves)

    @model_validator(mode="after")
    def _names_are_unique(self) -> RankSettings:
        names = [s.name for s in self.shelves]
        if len(set(names)) != len(names):
            raise ValueError(f"shelf names repeat: {names}")
        return self


class BacktestSettings(Group):
    """How the project judges itself and learns its weights."""

    cold_user_share: Share = 0.2
    """Share of the users with events that the backtest hides, to meet them as new ones."""
    min_cold_users: Count = 400
    """A small shop hides more than cold_user_share, up to two fifths, or a handful of users would teach the weights."""
    cold_item_share: Share = 0.2
    """Share of the items with events that the backtest hides, to meet them as new ones."""
    holdout: Literal["auto", "time", "last"] = "auto"
    """time: everything in the last period; last: each user's last day; auto: time where enough users span the cut."""
    holdout_share: Share = 0.08
    """Share of the events that the time cut hides."""
    learn_users: Count = 1_500
    """Simulated users per route and item group that the weights are learned on."""
    k: Count = 10
    """Places of a list that are judged."""
    bootstrap: Count = 200
    """Draws of users behind the interval of a metric."""
    use_trials: bool = True
    """Whether settings that this file leaves open come from the chosen trial of `recsys backtest --trial-minutes`."""
    seed: Seed = 0
    """Of what is hidden, of the users that weights are learned on, and of the intervals."""

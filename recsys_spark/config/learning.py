"""The models and the scorers."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from recsys_spark.config.group import Count, Group, Positive, Seed, Share


class AlsSettings(Group):
    """Spark ALS on implicit feedback."""

    rank: Annotated[int, Field(ge=2, le=512)] = 64
    """Factors of a user or an item."""
    iterations: Count = 6
    """10 made no better lists on the whole in the backtests of docs/quality.md, and each takes as long as the first."""
    regularization: Positive = 0.5
    """Per interaction, as Spark scales it; from about half of alpha times the usual rating, factors shrink to zero."""
    alpha: Positive = 20.0
    """How fast confidence grows with the rating of a pair: it is 1 + alpha times the rating."""
    browse_weight: Share = 0.3
    """Confidence of a pair that only viewed or carted, relative to one with a purchase."""
    checkpoint: str | None = None
    """Folder that every host reaches; cuts the lineage of long fits on clusters."""
    seed: int = 0
    """Of the factors that ALS begins with."""


class ColdStartSettings(Group):
    """The two-tower model and its training."""

    enabled: bool = True
    """Whether the deep model is trained; without it attributes reach the cold through the other scorers."""
    width: Annotated[int, Field(ge=4, le=1024)] = 64
    """Length of the towers' vectors."""
    hidden: tuple[Count, ...] = (128,)
    """Widths of the layers between a tower's inputs and its vector."""
    history_length: Count = 20
    """Items of a user's history that the user's tower is shown."""
    attribute_length: Count = 16
    """Encoded attributes of a user that the user's tower is shown."""
    item_feature_length: Count = 32
    """Encoded attributes of an item that the item's tower is shown."""
    batch_size: Count = 1024
    """Examples per step over all processes together."""
    epochs: Count | None = None
    """Epochs at most; not set, as many as 1,500 steps need, 12 at least and 60 at most. In a refresh the full fold
    trains as many as were best on the backtest fold."""
    patience: Count | None = None
    """Epochs without a lower validation loss before training stops; not set, those of 400 steps, 3 at least."""
    learning_rate: Positive = 0.3
    """Step size of Adagrad for embeddings; layers take a fixed share of it."""
    temperature: Positive = 0.05
    """Cosines are divided by it to logits: the smaller, the more the nearest items count."""
    content_only_share: Share = 0.3
    """Steps that see neither item ids nor history."""
    id_dropout: Share = 0.5
    """Share of the rows of other steps whose item id is hidden."""
    history_dropout: Share = 0.3
    """Share of the rows of other steps whose history is hidden."""
    max_examples: Count = 150_000
    """Examples per epoch at most; a seeded sample beyond."""
    held_out_share: Share = 0.05
    """Users and items that training makes simulated-cold for early stopping; none on the full fold of a refresh."""
    processes: Count = 1
    """Training processes, one a core at most; more than one need Horovod."""
    launcher: Literal["auto", "horovodrun", "single", "spark"] = "auto"
    """auto: horovodrun where Horovod is installed, else a single process. spark: ranks on the executors, for a lake
    in a folder that all machines mount; all others train on the driver's machine."""
    timeout_minutes: Positive = 60.0
    """A training, or a scoring, that takes longer is ended, with exit code 7."""
    seed: Seed = 0
    """Of weights, hold-outs, dropout and the order of examples."""

    @model_validator(mode="after")
    def _processes_have_something_to_tell_apart(self) -> ColdStartSettings:
        # The other rows of a process's batch are what each of its rows is told apart from.
        if self.batch_size < 2 * self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} gives each of {self.processes} processes less than two examples a "
                f"step, and one alone teaches nothing; expected batch_size of {2 * self.processes} or more, or fewer "
                "processes"
            )
        return self


Dense = Literal["factors", "svd", "demographic", "popularity", "trend", "moment", "deep"]
"""The scorers that are blocks of the scoring vectors, in the order of their places."""
Scorer = Literal[
    Dense,
    "habit",
    "recent",
    "repeat",
    "neighbours",
    "ease",
    "similar_users",
    "content",
    "pairs",
]
"""The scorers there are: dense blocks of the scoring vectors first, then sparse boosts."""
FOR_COMPARISON: tuple[Scorer, ...] = ("svd", "similar_users")
"""Scorers as textbooks have them, to compare the others with; off unless they are asked for."""


class BlockSettings(Group):
    """Which scorers there are, and their sizes."""

    enabled: tuple[Scorer, ...] = tuple(scorer for scorer in get_args(Scorer) if scorer not in FOR_COMPARISON)
    """At least one of them a block of the scoring vectors, or there would be nothing to search."""
    content_prior: Positive | None = None
    """Pseudo-interactions behind a lift: the larger, the less a few purchases say about taste. Chosen if not set."""
    content_per_user: Count = 100
    """Best items kept by content and by pairs, of each user and item group."""
    ridge_items: Positive | None = None
    """Regularisation of the map from item attributes to factors, odds and popularity; unset, by the number of items."""
    ridge_pairs: Positive = 60.0
    """The least of it for pairs of attribute values, which are rarer and many."""
    ridge_users: Positive = 10.0
    """Regularisation of the map from user attributes to factors."""
    map_sample: Count = 100_000
    """Users, or items, that the maps from attributes are learned from at most; they are learned on the driver."""
    demographic_prior: Positive | None = None
    """Strength of the penalty on an item's log-odds; unset, the strength that explains users left out best."""
    neighbours: Count = 50
    """Neighbours kept per item, and similar users per user."""
    neighbour_history: Count = 30
    """Strongest items of a user that neighbours, ease and similar users are looked up from, and pairs counted from."""
    neighbour_shrinkage: Annotated[float, Field(ge=0)] = 5.0
    """Users without the other item that each item is taken to have more."""
    neighbour_item_users: Count = 100
    """Users of an item that others are compared with; they bound the search for similar users."""
    ease_items: Annotated[int, Field(ge=2, le=30_000)] = 4_000
    """Items that ease regresses on each other, those with most users; the driver inverts a matrix of their square."""
    ease_users: Count = 50_000
    """Users that ease is learned from at most, on the driver."""
    ease_history: Count = 200
    """Strongest items of a user that ease is learned from."""
    ease_penalty: Positive = 100.0
    """Penalty on the squared weights of ease."""
    ease_neighbours: Count = 100
    """Weights kept per item by ease."""
    svd_rank: Annotated[int, Field(ge=1, le=512)] = 32
    """Singular vectors kept by svd."""
    moment_buckets: Annotated[int, Field(ge=2, le=256)] = 64
    """Parts of time, equally filled."""
    moment_days: Positive = 30.0
    """How far demand around a user's last event reaches: the standard deviation of a Gaussian."""
    repeat_days: Positive = 28.0
    """How soon a repeat purchase must follow to count as one."""
    repeat_sample: Count = 200_000
    """Pairs of users and items that the repeat model is learned from at most, on the driver."""
    boosts_per_user: Count = 300
    """Best items kept of each user by each scorer of habit, history and likeness."""

    @field_validator("enabled")
    @classmethod
    def _vectors_hold_a_block(cls, enabled: tuple[Scorer, ...]) -> tuple[Scorer, ...]:
        if not set(enabled) & set(get_args(Dense)):
            raise ValueError(f"items would have no vectors to search; add at least one of {', '.join(get_args(Dense))}")
        return enabled

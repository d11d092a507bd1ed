"""What can be set, with defaults that suit a shop nobody has tuned for."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from recsys_spark.config.group import Count, EventType, Group, Positive, Reference, Seed, Share
from recsys_spark.config.source import SourceSettings

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class LakeSettings(Group):
    """Where the tables are."""

    path: str = "lake"
    """Root folder of the lake: a local path or any URI that Spark's Hadoop file systems know."""
    retention_hours: Annotated[float, Field(gt=0, le=87_600)] = 168.0
    """How long `recsys vacuum` keeps files that no newer version needs: for pinned readers and for rollbacks."""
    longest_job_hours: Positive = 48.0
    """The longest that one job may read the tables it began with; no vacuum keeps files for less."""


class PrivacySettings(Group):
    """How users are hidden inside the lake."""

    pseudonym_key: Reference | None = None
    """Key of the pseudonyms that stand in the lake for user ids (HMAC-SHA-256); unset, ids stay as they come."""
    retired_keys: tuple[Reference, ...] = ()
    """Earlier keys, by which ingest still knows the users that were erased under them."""

    @model_validator(mode="after")
    def _retired_means_replaced(self) -> PrivacySettings:
        if self.retired_keys and self.pseudonym_key is None:
            raise ValueError("retired_keys without pseudonym_key: say which key replaced them")
        return self


class SparkSettings(Group):
    """The session, where this program starts one itself; under spark-submit the submitted values win."""

    master: str = "local[*]"
    """Where Spark runs: local[N] is N cores of this machine, local[*] all of them."""
    driver_memory: str = "4g"
    """Heap of the driver's JVM; on one machine the executors are in it too."""
    shuffle_partitions: Count = 8
    """Partitions of a shuffle; about twice the cores for small lakes, hundreds on clusters."""
    extra: dict[str, str] = Field(default={}, repr=False)
    """Further Spark settings; a credential for a cloud store by reference, such as env:STORE_SECRET."""


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


class RefreshSettings(Group):
    """When a refresh learns anew, and when it brings the last full one up to date."""

    full_every_days: Positive | None = None
    """A refresh within so many days of the as-of time of the last full one is an update: it describes and scores the
    users and items that changed, with what the full one learned. Unset, every refresh is a full one."""
    late_days: Annotated[float, Field(ge=0, le=3_650)] = 3.0
    """An update takes events up to so many days older than the release it brings up to date; later ones wait for the
    next full refresh."""


class AuditSettings(Group):
    """How far a refresh may fall behind the release that it follows and still be published."""

    max_row_fall: Share = 0.5
    """Share of the rows of events, users, items or recommendations that may be gone; 1 allows any fall."""
    max_metric_fall: Share = 0.2
    """Share of a headline metric that may be gone, judged by the upper end of its interval; 1 allows any fall."""


class Settings(Group):
    """Everything that one deployment sets."""

    lake: LakeSettings = LakeSettings()
    spark: SparkSettings = SparkSettings()
    privacy: PrivacySettings = PrivacySettings()
    source: SourceSettings = SourceSettings(kind="synthetic")
    cleaning: CleaningSettings = CleaningSettings()
    profiles: ProfileSettings = ProfileSettings()
    vectors: VectorSettings = VectorSettings()
    als: AlsSettings = AlsSettings()
    coldstart: ColdStartSettings = ColdStartSettings()
    blocks: BlockSettings = BlockSettings()
    rank: RankSettings = RankSettings()
    backtest: BacktestSettings = BacktestSettings()
    refresh: RefreshSettings = RefreshSettings()
    audit: AuditSettings = AuditSettings()

    @model_validator(mode="after")
    def _vectors_hold_a_block_that_is_made(self) -> Settings:
        if not self.coldstart.enabled and set(self.blocks.enabled) & set(get_args(Dense)) == {"deep"}:
            others = ", ".join(name for name in get_args(Dense) if name != "deep")
            raise ValueError(
                "blocks.enabled: deep alone gives items vectors to search, and coldstart.enabled is false; enable "
                f"coldstart, or add at least one of {others}"
            )
        return self

"""The steps of a refresh: what each reads, and, from the contracts, what it writes. Starts nothing."""

from __future__ import annotations

from dataclasses import dataclass

from recsys_spark.contracts import ALL_TABLES


@dataclass(frozen=True)
class Command:
    """One job, as the command line and the deployments know it."""

    name: str
    about: str
    reads: tuple[str, ...]

    @property
    def writes(self) -> tuple[str, ...]:
        """The tables whose contract names this step as their maker."""
        return tuple(c.name for c in ALL_TABLES.values() if c.made_by == self.name)

    @property
    def module(self) -> str:
        """The module with the step's ``main``."""
        return f"jobs.{self.name}"


_FEATURES = ("user_features", "item_features")
_PROFILES = ("user_profiles", "item_vectors")
_SCORING = ("user_blocks", "item_blocks", "blocks", "boosts")
_RANKING = (*_SCORING, "route_weights")

STEPS: dict[str, Command] = {
    step.name: step
    for step in (
        Command("ingest", "Read the source, clean it, keep what was refused in quarantine.", ("the source",)),
        Command("split", "Hide a share of users, items and time from the backtest fold.", ("events", "users")),
        Command("build_profiles", "Describe every user: attributes, habits, state.", ("events", "users", "items")),
        Command(
            "build_item_vectors",
            "Describe every item: attributes, text, company in sessions.",
            ("events", "items", "interactions"),
        ),
        Command("train_als", "Factorise what users with events did.", ("interactions", *_PROFILES)),
        Command("materialize_dataset", "Write the deep model's examples.", ("interactions", *_PROFILES)),
        Command(
            "train_coldstart",
            "Train the two towers outside Spark, and keep what they say of everyone.",
            ("training_examples", "training_users", "training_items", "item_vectors"),
        ),
        Command(
            "build_blocks",
            "Put all scorers side by side: one vector a user, one an item, and sparse boosts.",
            (
                *("events", "interactions", *_FEATURES, *_PROFILES),
                *("user_factors", "item_factors", "tower_vectors"),
            ),
        ),
        Command(
            "learn_weights",
            "Learn each route's weights on users and items that the split hid.",
            ("events", "items", "truth", "interactions", "item_features", "item_vectors", *_SCORING),
        ),
        Command(
            "recommend",
            "Write every user's lists, and every new item's audience.",
            ("items", "changed_users", "interactions", *_PROFILES, *_RANKING, "training_log"),
        ),
        Command(
            "backtest",
            "Judge the lists on what the split hid, beside baselines; write metrics and report.html.",
            (
                *("events", "users", "items", "truth", "interactions", "item_vectors"),
                *(*_RANKING, "training_log", "data_quality"),
            ),
        ),
        Command(
            "refresh",
            "Run all of the above on both folds, audit, and publish one release; resumes by --run-id.",
            ("the source",),
        ),
    )
}

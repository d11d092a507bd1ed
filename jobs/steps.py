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


_PROFILES = ("user_profiles", "item_vectors")
_SCORING = ("user_blocks", "item_blocks", "blocks", "boosts")

STEPS: dict[str, Command] = {
    step.name: step
    for step in (
        Command("ingest", "Read the source, clean it, keep what was refused in quarantine.", ("the source",)),
        Command("split", "Hide a share of users, items and time from the backtest fold.", ("events", "users", "items")),
        Command("build_profiles", "Describe every user: attributes, habits, state.", ("events", "users", "items")),
        Command(
            "build_item_vectors",
            "Describe every item: attributes, text, company in sessions.",
            ("events", "items", "interactions"),
        ),
        Command("train_als", "Factorise what users with events did.", ("interactions", *_PROFILES)),
        Command(
            "materialize_dataset",
            "Write the deep model's examples.",
            ("events", "interactions", "user_features", "item_features", *_PROFILES),
        ),
        Command(
            "train_coldstart",
            "Train the two towers outside Spark, and keep what they say of everyone.",
            ("training_examples", "training_users", "training_items"),
        ),
        Command(
            "build_blocks",
            "Put all scorers side by side: one vector a user, one an item, and sparse boosts.",
            ("events", "interactions", "user_factors", "item_factors", "tower_vectors", *_PROFILES),
        ),
        Command(
            "learn_weights", "Learn each route's weights on users and items that the split hid.", (*_SCORING, "truth")
        ),
        Command(
            "recommend",
            "Write every user's lists, and every new item's audience.",
            (*_SCORING, "route_weights", "interactions", "items"),
        ),
        Command(
            "backtest",
            "Judge the lists on what the split hid, beside baselines; write metrics and report.html.",
            (*_SCORING, "route_weights", "truth", "interactions", "items"),
        ),
        Command(
            "refresh",
            "Run all of the above on both folds, audit, and publish one release; resumes by --run-id.",
            ("the source",),
        ),
    )
}

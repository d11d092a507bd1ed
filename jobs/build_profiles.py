"""Sum events by user and item, and describe every user: attributes, habits and state."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.profiles.interactions import interactions
from recsys_spark.profiles.profile import user_features, user_profiles

OUTPUTS = ("interactions", "user_features", "user_profiles")


def run(job: Job) -> None:
    """Read events, users and items; write interactions, user_features and user_profiles."""
    settings = job.settings.profiles
    events, users = job.read("events"), job.read("users")
    job.write(
        "interactions",
        interactions(
            events,
            job.cutoff,
            event_weights=settings.event_weights,
            default_event_weight=settings.default_event_weight,
            dwell_weight=settings.dwell_weight,
            half_life_days=settings.half_life_days,
        ),
    )
    job.write(
        "user_features",
        user_features(users, max_features=settings.max_features, min_holders=settings.min_feature_holders),
    )
    job.write(
        "user_profiles",
        user_profiles(
            users,
            events,
            job.read("interactions"),
            job.read("items"),
            job.read("user_features"),
            job.cutoff,
            warm_from_items=settings.warm_from_items,
            inactive_after_days=settings.inactive_after_days,
            half_life_days=settings.half_life_days,
        ),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("build_profiles", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

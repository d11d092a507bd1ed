"""Sum events by user and item, and describe every user: attributes, habits and state."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.profiles.interactions import interactions
from recsys_spark.profiles.profile import user_encoding, user_features, user_profiles

OUTPUTS = ("interactions", "user_encoding", "user_features", "user_profiles")


def run(job: Job) -> None:
    """Read events, users and items; write interactions, the encoding of users, and their profiles."""
    settings = job.settings.profiles
    events, users = job.changed(job.read("events")), job.changed(job.read("users"))
    met = interactions(
        events,
        job.ages_from,
        event_weights=settings.event_weights,
        default_event_weight=settings.default_event_weight,
        dwell_weight=settings.dwell_weight,
        half_life_days=settings.half_life_days,
    )
    job.write("interactions", job.with_unchanged("interactions", met))
    if job.base is None:
        _learn(job)
    profiles = user_profiles(
        users,
        events,
        job.changed(job.read("interactions")),
        job.read("items"),
        job.read("user_encoding"),
        job.read("user_features"),
        job.ages_from,
        kept=job.before("user_profiles"),
        warm_from_items=settings.warm_from_items,
        inactive_after_days=settings.inactive_after_days,
        half_life_days=settings.half_life_days,
    )
    job.write("user_profiles", job.with_unchanged("user_profiles", profiles))


def _learn(job: Job) -> None:
    """The words that users are described in."""
    settings, users = job.settings.profiles, job.read("users")
    job.write("user_encoding", user_encoding(users, id_order=settings.id_order))
    features = user_features(
        users,
        job.read("user_encoding"),
        max_features=settings.max_features,
        min_holders=settings.min_feature_holders,
    )
    job.write("user_features", features)


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("build_profiles", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

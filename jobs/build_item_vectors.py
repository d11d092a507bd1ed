"""Describe every item: attributes and their pairs, text, co-purchase and popularity."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.vectors.item_vectors import item_features, item_vectors

OUTPUTS = ("item_features", "item_vectors")


def run(job: Job) -> None:
    """Read items, events and interactions; write item_features and item_vectors."""
    settings = job.settings.vectors
    items = job.read("items")
    job.write(
        "item_features",
        item_features(
            items,
            max_features=settings.max_features,
            min_holders=settings.min_feature_holders,
            pairs=settings.pairs,
            price_bins=settings.price_bins,
        ),
    )
    job.write(
        "item_vectors",
        item_vectors(
            items,
            job.read("events"),
            job.read("interactions"),
            job.read("item_features"),
            job.cutoff,
            half_life_days=job.settings.profiles.half_life_days,
            pairs=settings.pairs,
            price_bins=settings.price_bins,
            text_width=settings.text_width if settings.text else 0,
            session_width=settings.session_width if settings.session else 0,
        ),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("build_item_vectors", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

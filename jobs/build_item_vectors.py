"""Describe every item: attributes and their pairs, text, co-purchase and popularity."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.vectors.describe import item_encoding
from recsys_spark.vectors.item_vectors import item_features, item_vectors
from recsys_spark.vectors.text import item_terms

OUTPUTS = ("item_encoding", "item_features", "item_terms", "item_vectors")


def run(job: Job) -> None:
    """Read items, events and interactions; write the encoding of items, and their vectors.

    In an update only new items are described: what others do counts for the next full refresh.
    """
    settings, items, events, met = job.settings.vectors, job.read("items"), job.read("events"), job.read("interactions")
    before = job.before("item_vectors")
    if before is not None:
        items, met = job.new("items", "item_id"), met.limit(0)
        if items.isEmpty():
            job.leave("item_vectors")
            return
    terms = _learn(job) if before is None else job.read("item_terms")
    vectors = item_vectors(
        items,
        events if before is None else None,
        met,
        job.read("item_encoding"),
        job.read("item_features"),
        terms,
        job.ages_from,
        kept=before,
        half_life_days=job.settings.profiles.half_life_days,
        pairs=settings.pairs,
        text_width=settings.text_width if settings.text else 0,
        session_width=settings.session_width if settings.session else 0,
    )
    job.write("item_vectors", job.with_new("item_vectors", vectors))


def _learn(job: Job) -> DataFrame:
    """The words that items are described in; those of their texts come back."""
    settings, items = job.settings.vectors, job.read("items")
    job.write("item_encoding", item_encoding(items, price_bins=settings.price_bins, id_order=settings.id_order))
    features = item_features(
        items,
        job.read("item_encoding"),
        max_features=settings.max_features,
        min_holders=settings.min_feature_holders,
        pairs=settings.pairs,
    )
    job.write("item_features", features)
    return job.keep_for_updates("item_terms", item_terms(items if settings.text else items.limit(0)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("build_item_vectors", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

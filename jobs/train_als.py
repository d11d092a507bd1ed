"""Factorise the interactions of users and items with events (implicit ALS)."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.warm.als import fit_als

OUTPUTS = ("user_factors", "item_factors")


def run(job: Job) -> None:
    """Read interactions and positions; write user_factors and item_factors."""
    settings = job.settings.als
    user_factors, item_factors = fit_als(
        job.read("interactions"),
        job.read("user_profiles"),
        job.read("item_vectors"),
        rank=settings.rank,
        iterations=settings.iterations,
        regularization=settings.regularization,
        alpha=settings.alpha,
        browse_weight=settings.browse_weight,
        seed=settings.seed,
        checkpoint=settings.checkpoint,
    )
    job.write("user_factors", user_factors)
    job.write("item_factors", item_factors)


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("train_als", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

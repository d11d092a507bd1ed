"""Factorise the interactions of users and items with events (implicit ALS)."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.kernels.keep import let_go_of_rdds
from recsys_spark.kernels.together import together
from recsys_spark.warm.als import fit_als, ratings
from recsys_spark.warm.fold_in import fold_in, traffic

OUTPUTS = ("item_factors", "user_factors")


def run(job: Job) -> None:
    """Learn the factors of items, and fold users in; an update folds those in who changed."""
    settings, met = job.settings.als, job.read("interactions")
    if job.base is None:
        with let_go_of_rdds(job.spark):
            factors = fit_als(
                met,
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
            job.write("item_factors", factors)
    users, items = job.changed(job.read("user_profiles")), job.read("item_factors")
    rated = ratings(job.changed(met), settings.browse_weight)
    n_users, n_items, n_ratings = together(job.spark, [users.count, items.count, rated.count])
    buckets, only_met = traffic(job.grid(n_users, n_items).user_buckets, n_items, n_ratings, settings.rank)
    found = fold_in(
        rated,
        items,
        rank=settings.rank,
        regularization=settings.regularization,
        alpha=settings.alpha,
        buckets=buckets,
        only_met=only_met,
    )
    job.write("user_factors", job.with_unchanged("user_factors", found))


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("train_als", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

"""Factorise the interactions of users and items with events (implicit ALS)."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.kernels.keep import let_go_of_rdds
from recsys_spark.kernels.together import together
from recsys_spark.warm.als import fit_als, ratings
from recsys_spark.warm.fold_in import bounded, fold_in

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
    n_users, n_items = together(job.spark, [users.count, items.count])
    found = fold_in(
        ratings(job.changed(met), settings.browse_weight),
        items,
        rank=settings.rank,
        regularization=settings.regularization,
        alpha=settings.alpha,
        grid=bounded(job.grid(n_users, n_items), n_users, settings.rank),
    )
    job.write("user_factors", job.with_unchanged("user_factors", found))


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("train_als", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())

"""Where a job runs and keeps its tables, and when what it made is published."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from recsys_spark.config.group import Count, Group, Positive, Reference, Share


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

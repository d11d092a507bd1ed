"""Users as the lake may know them."""

from __future__ import annotations

from dataclasses import replace

from jobs.context import Job
from recsys_spark.events.pseudonyms import with_pseudonyms
from recsys_spark.lake import erased_digests
from recsys_spark.secret import keys_of
from recsys_spark.sources.raw import RawTables


def hidden(job: Job, raw: RawTables) -> RawTables:
    """With a key in the settings: pseudonyms in the place of user ids, and no rows of erased users."""
    keys = keys_of(job.settings.privacy)
    if not keys:
        return raw
    erased = erased_digests(job.lake)
    events, users = (with_pseudonyms(frame, keys, erased) for frame in (raw.events, raw.users))
    return replace(raw, events=events, users=users)

"""Users as the lake may know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobs.context import Job
from recsys_spark.config.running import PrivacySettings
from recsys_spark.errors import SettingsError
from recsys_spark.events.pseudonyms import with_pseudonyms
from recsys_spark.kernels.pseudonym import Key
from recsys_spark.lake import NO_KEY, Lake, erased_digests
from recsys_spark.secret import keys_of
from recsys_spark.sources.raw import RawTables


def keys_of_lake(lake: Lake, privacy: PrivacySettings) -> tuple[Key, ...]:
    """The key of the pseudonyms, then the retired ones; none where ids stay as they come.

    Raises:
        SettingsError: a key cannot be had, or none of them made the user ids that the lake holds. Every user would be
            a new one, and an erasure would find nobody.
    """
    keys = keys_of(privacy)
    if mark_of_lake(lake) not in (NO_KEY, *(key.mark for key in keys)):
        raise SettingsError(
            "privacy.pseudonym_key: the user ids in this lake were made with another key than the settings lead to; "
            "bring that key back, or rotate it: list it under privacy.retired_keys"
        )
    return keys


def mark_of_lake(lake: Lake) -> str:
    """Mark of the key that made the user ids of the latest events."""
    commits = (written for _, written in lake.with_fold("full").commits("events"))
    return next((written["key_mark"] for written in commits if written.get("key_mark")), NO_KEY)


def mark_of(keys: Sequence[Key]) -> str:
    """What a commit says of the key that its user ids are made with."""
    return keys[0].mark if keys else NO_KEY


def hidden(job: Job, raw: RawTables, keys: Sequence[Key]) -> RawTables:
    """With a key: pseudonyms in the place of user ids, and no rows of erased users."""
    if not keys:
        return raw
    erased = erased_digests(job.lake)
    events, users = (with_pseudonyms(frame, keys, erased) for frame in (raw.events, raw.users))
    return replace(raw, events=events, users=users)

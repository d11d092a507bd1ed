"""The secret behind a reference, at the moment when it is needed; nothing keeps it."""

from __future__ import annotations

import os

from recsys_spark.config.running import PrivacySettings
from recsys_spark.config.secret import REFERENCE
from recsys_spark.errors import SettingsError
from recsys_spark.kernels.pseudonym import Key


def resolve(reference: str, setting: str) -> str:
    """What ``env:NAME`` or ``scope:SCOPE/KEY`` stands for.

    Args:
        reference: where the secret is.
        setting: dotted name of the setting that says so; for messages.

    Raises:
        SettingsError: it is no reference, the variable is not set, or there are no secret scopes here.
    """
    found = REFERENCE.fullmatch(reference)
    if found is None:
        raise SettingsError(f"{setting} is no reference; expected env:NAME or scope:SCOPE/KEY")
    if found["variable"] is None:
        return _of_scope(found["scope"], found["key"], setting)
    value = os.environ.get(found["variable"])
    if not value:
        raise SettingsError(f"{setting} names the environment variable {found['variable']}, which is not set; set it")
    return value


def keys_of(privacy: PrivacySettings) -> tuple[Key, ...]:
    """The key of the pseudonyms, then the retired ones; none where ids stay as they come.

    Raises:
        SettingsError: a key is not where its reference says, or is too short.
    """
    if privacy.pseudonym_key is None:
        return ()
    retired = [_key(reference, "privacy.retired_keys") for reference in privacy.retired_keys]
    return (_key(privacy.pseudonym_key, "privacy.pseudonym_key"), *retired)


def _key(reference: str, setting: str) -> Key:
    try:
        return Key(resolve(reference, setting).encode())
    except ValueError as error:
        raise SettingsError(f"{setting}, {reference}: {error}; make one with `openssl rand -hex 32`") from None


def _of_scope(scope: str, key: str, setting: str) -> str:
    try:
        from databricks.sdk.runtime import dbutils  # only Databricks has secret scopes
    except ImportError:
        raise SettingsError(
            f"{setting} names the key {key} of the secret scope {scope}, and secret scopes are on Databricks alone; "
            "name an environment variable instead: env:NAME"
        ) from None
    try:
        return str(dbutils.secrets.get(scope=scope, key=key))
    except Exception as error:  # dbutils raises Py4J errors of its own, whose text may hold more than names
        raise SettingsError(
            f"{setting}: found no key {key} in the secret scope {scope} ({type(error).__name__})"
        ) from None

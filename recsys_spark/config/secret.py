"""Secrets by reference: settings say where one is, and only the process that needs it looks there."""

from __future__ import annotations

import os

from recsys_spark.config.settings import PrivacySettings
from recsys_spark.errors import SettingsError
from recsys_spark.kernels.pseudonym import Key


def keys_of(privacy: PrivacySettings) -> tuple[Key, ...]:
    """The key of the pseudonyms, then the retired ones; none where ids stay as they come.

    Raises:
        SettingsError: a key is not where its reference says, or is too short.
    """
    named = (privacy.pseudonym_key, *privacy.retired_keys) if privacy.pseudonym_key else ()
    return tuple(_key(reference) for reference in named)


def _key(reference: str) -> Key:
    try:
        return Key(secret(reference).encode())
    except ValueError as error:
        raise SettingsError(f"{reference}: {error}; make one with `openssl rand -hex 32`") from None


def secret(reference: str) -> str:
    """The secret that a reference names.

    Args:
        reference: env:NAME or scope:SCOPE/KEY, as :data:`~recsys_spark.config.settings.SecretReference` has it.

    Raises:
        SettingsError: there is none at that place.
    """
    kind, _, place = reference.partition(":")
    return _of_environment(place) if kind == "env" else _of_scope(*place.split("/"))


def _of_environment(name: str) -> str:
    found = os.environ.get(name)
    if not found:
        raise SettingsError(f"env:{name}: the environment variable {name} is not set; set it where this command runs")
    return found


def _of_scope(scope: str, key: str) -> str:
    try:
        from databricks.sdk.runtime import dbutils  # only Databricks has secret scopes
    except ImportError:
        raise SettingsError(
            f"scope:{scope}/{key}: secret scopes are looked up on Databricks only; elsewhere use env:NAME"
        ) from None
    try:
        return str(dbutils.secrets.get(scope=scope, key=key))
    except Exception as error:  # dbutils raises Py4J errors of its own, whose text names the scope and the key alone
        raise SettingsError(f"scope:{scope}/{key}: found no such secret ({type(error).__name__})") from None

"""Secrets in settings: named by reference, and left out of whatever is stored or shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

REFERENCE = re.compile(r"env:(?P<variable>[A-Za-z_][A-Za-z0-9_]*)|scope:(?P<scope>[^/\s]+)/(?P<key>[^/\s]+)")
"""A secret in an environment variable, or in a secret scope of Databricks."""

SECRET_NAME = r"(?i)secret|passw|passphrase|token|credential|[.]sas[.]|(access|account|private|api)[._-]?key"
"""Names of settings whose values are secrets; also what Spark leaves out of its event log and pages."""

HIDDEN = "(not shown)"


def is_reference(text: str) -> bool:
    """Whether the text says where a secret is.

    >>> is_reference("env:SHOP_PASSWORD"), is_reference("scope:shop/password"), is_reference("hunter2")
    (True, True, False)
    """
    return REFERENCE.fullmatch(text) is not None


def check_reference(text: str) -> str:
    """The reference as it is.

    Raises:
        ValueError: the text is none; it may be the secret itself, so the message does not repeat it.
    """
    if not is_reference(text):
        raise ValueError(
            "expected where the secret is, env:NAME (an environment variable) or scope:SCOPE/KEY (a secret scope of "
            "Databricks), never the secret itself"
        )
    return text


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret.

    >>> [is_secret(name) for name in ("spark.hadoop.fs.s3a.secret.key", "spark.executor.memory")]
    [True, False]
    """
    return re.search(SECRET_NAME, name) is not None


def without_secrets(values: Mapping[str, str]) -> dict[str, str]:
    """The values, hidden where the name says that they are secret; references stay.

    >>> without_secrets({"db.password": "hunter2", "store.token": "env:TOKEN", "memory": "4g"})
    {'db.password': '(not shown)', 'store.token': 'env:TOKEN', 'memory': '4g'}
    """
    return {name: HIDDEN if is_secret(name) and not is_reference(value) else value for name, value in values.items()}

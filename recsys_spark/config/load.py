"""From a YAML file and overrides to checked settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from recsys_spark.config.settings import Settings
from recsys_spark.errors import SettingsError


def load_settings(
    path: str | Path, overrides: Sequence[str] = (), proposed: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from a YAML file; ``overrides`` are ``dotted.key=value`` with values in YAML.

    ``proposed`` is dotted key to value for what file and overrides leave open.

    Raises:
        SettingsError: the file is missing or no YAML mapping, or a key or value is not allowed; all faults are listed.
    """
    raw = _read(Path(path))
    for override in overrides:
        _apply(raw, override)
    for key, value in (proposed or {}).items():
        group, name = key.split(".")
        raw.setdefault(group, {}).setdefault(name, value)
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        listed = "\n  ".join(_fault(e["loc"], e["msg"], e["input"]) for e in error.errors())
        raise SettingsError(f"{path} is not a valid settings file:\n  {listed}") from None


def _fault(place: tuple[int | str, ...], message: str, found: object) -> str:
    """One line about one setting; what was found is not shown where it may be a secret in the place of a reference."""
    shown = "" if place[:1] == ("privacy",) else f" (found {found!r:.80})"
    return f"{'.'.join(str(p) for p in place)}: {message}{shown}"


def settings_sha256(settings: Settings) -> str:
    """Hash of the resolved settings; where the lake lies does not count, so that a lake that was moved goes on."""
    values = settings.model_dump(mode="json", exclude={"lake"})
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def settings_json(settings: Settings) -> str:
    """The resolved settings as JSON with sorted keys."""
    return json.dumps(settings.model_dump(mode="json"), sort_keys=True)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SettingsError(f"no settings file at {path}; pass --conf FILE (conf/ holds examples)")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not readable YAML: {error}") from None
    if not isinstance(raw, dict):
        raise SettingsError(f"{path} holds {type(raw).__name__}, expected a mapping of settings")
    return raw


def _apply(raw: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator:
        raise SettingsError(f"--set {override!r}: expected dotted.key=value")
    *parents, last = key.split(".")
    node = raw
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise SettingsError(f"--set {override!r}: {parent} is not a group of settings")
    node[last] = yaml.safe_load(value)

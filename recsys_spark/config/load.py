"""From a YAML file and overrides to checked settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from recsys_spark.config.secret import is_secret, without_secrets
from recsys_spark.config.settings import Settings
from recsys_spark.config.source import ColumnMapping
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
        listed = "\n  ".join(_complaint(e) for e in error.errors())
        raise SettingsError(f"{path} is not a valid settings file:\n  {listed}") from None


def require_source(settings: Settings) -> None:
    """What reads a source asks for one by name; the default would fill the lake with a made-up shop.

    Raises:
        SettingsError: the settings name none.
    """
    if "source" not in settings.model_fields_set:
        raise SettingsError("the settings name no source; say source.kind: files, jdbc, completejourney or synthetic")


def settings_sha256(settings: Settings) -> str:
    """Hash of the resolved settings that may change a row.

    Where the lake lies does not count, so that a lake that was moved goes on, nor does memory, so that a run goes on
    with more. Other settings of Spark count: ALS starts from other factors where a shuffle has other partitions.
    """
    dumped = _dumped(settings, leave_out={"lake"})
    dumped["spark"] = _without_memory(dumped["spark"])
    dumped["spark"]["extra"] = _without_memory(dumped["spark"]["extra"])
    return hashlib.sha256(_json(dumped).encode()).hexdigest()


LEARNS_NOTHING = ("lake", "spark", "source", "refresh", "audit")
"""Groups of settings that change nothing of what a refresh learns from the same events; see also ``same_learning``."""


def same_learning(settings: Settings, stored: str) -> bool:
    """Whether stored settings, as settings_json gives them, would learn and list the same as these.

    A source may lie elsewhere, but its columns must mean what they meant: else an update takes events that it has for
    new ones.
    """
    known = [json.loads(text) for text in (settings_json(settings), stored)]
    now, then = ({key: value for key, value in one.items() if key not in LEARNS_NOTHING} for one in known)
    return now == then and _mappings(known[0]) == _mappings(known[1])


def settings_json(settings: Settings) -> str:
    """The resolved settings as JSON with sorted keys; without secrets, since it is stored with each release."""
    return _json(_dumped(settings, leave_out=set()))


def _mappings(dumped: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Of each table that the source brings, by its name, what is set of its ColumnMapping."""
    source = dumped["source"]
    tables = {"files": source, "jdbc": source["jdbc"]}.get(source["kind"]) or {}
    found = {name: tables[name] for name in ("events", "users", "items") if tables.get(name) is not None}
    return {name: {key: of[key] for key in ColumnMapping.model_fields if of.get(key)} for name, of in found.items()}


def _without_memory(spark: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spark.items() if "memory" not in name.lower()}


def _dumped(settings: Settings, leave_out: set[str]) -> dict[str, Any]:
    dumped = settings.model_dump(mode="json", exclude=leave_out)
    dumped["spark"]["extra"] = without_secrets(settings.spark.extra)
    return dumped


def _json(dumped: Mapping[str, Any]) -> str:
    return json.dumps(dumped, sort_keys=True)


def _complaint(error: ErrorDetails) -> str:
    """One fault; what was found is shown where it is a plain value that cannot hold a secret."""
    name, found = ".".join(map(str, error["loc"])) or "settings", error["input"]
    # A key in the place of its reference; a misspelt password.
    hidden = is_secret(name) or name.startswith("privacy") or name.endswith("url") or error["type"] == "extra_forbidden"
    shown = "" if hidden or isinstance(found, dict | list | tuple) else f" (found {found!r:.80})"
    return f"{name}: {error['msg']}{shown}"


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SettingsError(f"no settings file at {path}; pass --conf FILE (conf/ holds examples)")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # bytes that are no UTF-8; a date that no calendar has
        raise SettingsError(f"{path} is not readable YAML{_place(error)}; expected a mapping of settings") from None
    if not isinstance(raw, dict):
        raise SettingsError(f"{path} holds {type(raw).__name__}, expected a mapping of settings")
    return raw


def _place(error: Exception) -> str:
    """Where the reader stopped. Its own words quote the line, which may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark else f" ({type(error).__name__})"


def _apply(raw: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator:
        raise SettingsError(f"--set {key}: expected dotted.key=value")
    *parents, last = key.split(".")
    node = raw
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise SettingsError(f"--set {key}: {parent} is not a group of settings")
    try:
        node[last] = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:
        raise SettingsError(f"--set {key}: the value is not readable YAML{_place(error)}; quote it") from None

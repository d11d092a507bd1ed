"""What a contract is: name, key, clustering and, for each field, type, nullability, unit and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

Personal = Literal["", "id", "position", "text", "trace"]
"""How a column can lead to one user: by external id, by dense position, inside free text, or as a trace of a visit."""


@dataclass(frozen=True)
class Field:
    """One column. ``type`` is Spark SQL's simple type string, such as ``array<float>``."""

    name: str
    type: str
    meaning: str
    nullable: bool = False
    unit: str = ""
    personal: Personal = ""
    """Whether a value can lead to one user; tables keep no minimum and maximum of such columns in their log."""

    @property
    def comment(self) -> str:
        """The column comment: meaning, then unit."""
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


@dataclass(frozen=True)
class Contract:
    """One table: what a row is, which job makes it, what identifies a row."""

    name: str
    row: str
    made_by: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    cluster_by: tuple[str, ...] = ()
    learned: bool = False
    """Whether the rows come from everyone together: a full refresh learns them, an update keeps them."""
    for_updates: bool = False
    """Whether only an update reads the table again; the backtest's fold, which none brings up to date, has none."""
    tells_changes: bool = False
    """Whether the table keeps Delta's change data feed."""

    def __post_init__(self) -> None:
        names = self.columns
        missing = [c for c in (*self.key, *self.cluster_by) if c not in names]
        if missing or len(set(names)) != len(names):
            raise ValueError(f"contract {self.name}: columns {names} do not hold {missing} or repeat a name")

    @property
    def columns(self) -> list[str]:
        """Column names in their order."""
        return [f.name for f in self.fields]

    def field(self, name: str) -> Field:
        """The field of that name; KeyError if the contract has none."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(f"table {self.name} has no column {name}; it has {', '.join(self.columns)}")

    def personal(self, kind: Personal) -> str | None:
        """The column that leads to users in this way, or None."""
        return next((f.name for f in self.fields if f.personal == kind), None)

    @property
    def about_users(self) -> bool:
        """Whether rows belong to users, so that erasing a user takes rows out."""
        return any(f.personal in ("id", "position", "text") for f in self.fields)

    def row_of(self, **values: Any) -> tuple[Any, ...]:
        """One row for tests: the given values, and neutral ones (0, "", [], {}, 1970, None) for the rest.

        Raises:
            KeyError: a given name is no column of the table.
        """
        for name in values:
            self.field(name)
        return tuple(values.get(f.name, None if f.nullable else _neutral(f.type)) for f in self.fields)


def _neutral(simple_type: str) -> Any:
    if simple_type.startswith("array<"):
        return []
    if simple_type.startswith("map<"):
        return {}
    return {
        "string": "",
        "boolean": False,
        "double": 0.0,
        "float": 0.0,
        "int": 0,
        "bigint": 0,
        "timestamp": datetime(1970, 1, 1, tzinfo=UTC),
        "date": date(1970, 1, 1),
    }[simple_type]

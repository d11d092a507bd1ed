"""Which scorer has which positions of the scoring vectors."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pyspark.sql import Row

PREDICTED = ("factors", "svd", "demographic", "popularity", "trend")
"""Blocks that an item without events gets from its attributes, in the order of the map's targets."""


@dataclass(frozen=True)
class Layout:
    """Widths of the dense blocks, in their order; blocks that are switched off have width 0 and no place."""

    factors: int
    svd: int
    demographic: int
    popularity: int
    trend: int
    moment: int
    deep: int

    @classmethod
    def of(
        cls, enabled: Collection[str], *, factors: int, svd: int, demographic: int, moment: int, deep: int
    ) -> Layout:
        """The layout of the enabled blocks."""
        widths = {
            "factors": factors,
            "svd": svd,
            "demographic": demographic,
            "popularity": 1,
            "trend": 1,
            "moment": moment,
            "deep": deep,
        }
        return cls(**{name: width if name in enabled else 0 for name, width in widths.items()})

    @classmethod
    def of_rows(cls, rows: Iterable[Row]) -> Layout:
        """The layout that the collected table blocks has."""
        return cls(**{**dict.fromkeys(cls.__dataclass_fields__, 0), **{row["block"]: row["width"] for row in rows}})

    @property
    def rows(self) -> list[tuple[str, int, int]]:
        """Name, start and width of each block that has a place."""
        rows, start = [], 0
        for name, width in vars(self).items():
            if width:
                rows.append((name, start, width))
                start += width
        return rows

    @property
    def predicted(self) -> dict[str, int]:
        """Widths of the blocks that attributes predict."""
        return {name: getattr(self, name) for name in PREDICTED}

    @property
    def width(self) -> int:
        """Length of the scoring vectors."""
        return sum(vars(self).values())

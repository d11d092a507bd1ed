from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from recsys_spark.config.group import Group, Reference, Share
from recsys_spark.config.render import descriptions, groups, render
from recsys_spark.config.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


class Tea(Group):
    """One tea."""

    name: Annotated[str, Field(pattern="^(green|black)$")]
    """What it is called."""
    minutes: Annotated[float, Field(gt=0, le=10)] | None = None
    """How long it draws; unset,
    until someone comes.
    """


class Kettle(Group):
    """What boils."""

    teas: Annotated[tuple[Tea, ...], Field(min_length=1)] = (Tea(name="green"),)
    """In this order."""
    spare: Tea | None = None
    """If all are gone."""
    heat: Literal["low", "high"] = "low"
    """How much."""
    key: Reference | None = None
    """Where the key is."""
    cups: dict[str, Share] = Field(default={"large": 0.5})
    """Cup to how full it is."""


class Kitchen(Group):
    """All of it."""

    kettle: Kettle = Kettle()
    """The one on the stove."""


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "the settings changed; run python -m recsys_spark.config.render > docs/settings.md"
    )


def test_every_setting_has_a_description():
    lacking = [
        f"{paths[0]}.{name}"
        for group, paths in groups(Settings).items()
        for name in group.model_fields
        if not descriptions(group).get(name)
    ]
    assert lacking == []


def test_a_setting_shows_kind_bounds_default_and_meaning():
    page = render(Kitchen)
    for row in (
        "| `teas` | list of [kettle.teas](#kettleteas), at least 1 | `[{name: green}]` | In this order. |",
        "| `spare` | [kettle.teas](#kettleteas) | not set | If all are gone. |",
        "| `heat` | `low`, `high` | `low` | How much. |",
        "| `key` | reference to a secret: `env:NAME` or `scope:SCOPE/KEY` | not set | Where the key is. |",
        "| `cups` | mapping of text to number, ≥ 0, ≤ 1 | `{large: 0.5}` | Cup to how full it is. |",
        r"| `name` | text, like `^(green\|black)$` | required | What it is called. |",
        "| `minutes` | number, > 0, ≤ 10 | not set | How long it draws; unset, until someone comes. |",
    ):
        assert row in page.splitlines()


def test_a_group_that_is_set_at_several_places_is_shown_once():
    page = render(Kitchen)
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## kettle", "## kettle.teas"]
    assert "One tea. The same for `kettle.spare`." in page

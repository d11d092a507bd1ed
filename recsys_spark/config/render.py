"""docs/settings.md from the settings' classes: ``python -m recsys_spark.config.render > docs/settings.md``."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import AfterValidator
from pydantic.fields import FieldInfo

from recsys_spark.config.group import Group
from recsys_spark.config.secret import check_reference
from recsys_spark.config.settings import Settings

HEADER = """# Settings

Rendered from `recsys_spark/config/` by `python -m recsys_spark.config.render > docs/settings.md`; a test
keeps it up to date. A settings file is YAML with these groups, and `--set GROUP.SETTING=VALUE` overrides one setting of
it. What is left out has its default; a name that is not here, or a value outside of its bounds, is refused with exit
code 2 before Spark starts. `conf/` holds examples.
"""
NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text", datetime: "time"}
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def render(root: type[Group] = Settings) -> str:
    """The page: one section a group, groups inside of others below them."""
    places = groups(root)
    return "\n".join([HEADER, *[_section(group, places) for group in places]])


def groups(root: type[Group]) -> dict[type[Group], list[str]]:
    """Each group of settings to the dotted paths at which it is set."""
    found: dict[type[Group], list[str]] = {}

    def look_below(group: type[Group], path: str) -> None:
        for name, field in group.model_fields.items():
            for inner in _groups_in(field.annotation):
                found.setdefault(inner, []).append(f"{path}{name}")
                if len(found[inner]) == 1:
                    look_below(inner, f"{path}{name}.")

    look_below(root, "")
    return found


def descriptions(group: type[Group]) -> dict[str, str]:
    """What the docstring below each setting says, without its line breaks; settings of base classes come first."""
    found: dict[str, str] = {}
    for owner in reversed(group.__mro__):
        if not issubclass(owner, Group) or owner is Group:
            continue
        [node] = ast.parse(inspect.getsource(owner)).body
        assert isinstance(node, ast.ClassDef)
        for field, below in zip(node.body, node.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found


def _section(group: type[Group], places: Mapping[type[Group], Sequence[str]]) -> str:
    said, (first, *others) = descriptions(group), places[group]
    lines = [f"## {first}", "", " ".join((group.__doc__ or "").split())]
    if others:
        lines[-1] += f" The same for {' and '.join(f'`{other}`' for other in others)}."
    lines += ["", "| setting | value | default | meaning |", "|---|---|---|---|"]
    for name, field in group.model_fields.items():
        # Pydantic takes what is annotated at the outermost level apart.
        kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        cells = (f"`{name}`", _kind(kind, places), _default(field), said.get(name, ""))
        lines.append(f"| {' | '.join(map(_escaped, cells))} |")
    return "\n".join([*lines, ""])


def _kind(annotation: Any, places: Mapping[type[Group], Sequence[str]]) -> str:
    """Kind of value, choices and bounds, in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _bounded(_kind(inner[0], places), inner[1:])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(one, places) for one in inner if one is not types.NoneType)
    if origin is tuple:
        return f"list of {_kind(inner[0], places)}"
    if origin is dict:
        return f"mapping of {_kind(inner[0], places)} to {_kind(inner[1], places)}"
    if annotation in places:
        path = places[annotation][0]
        return f"[{path}](#{path.replace('.', '')})"
    return NAMES[annotation]


def _bounded(kind: str, metadata: Iterable[Any]) -> str:
    told = [kind]
    for one in (part for outer in metadata for part in getattr(outer, "metadata", [outer])):
        if isinstance(one, AfterValidator) and one.func is check_reference:
            return "reference to a secret: `env:NAME` or `scope:SCOPE/KEY`"
        told += [f"{sign} {getattr(one, name):.10g}" for name, sign in BOUNDS.items() if hasattr(one, name)]
        told += [f"at least {one.min_length}"] if hasattr(one, "min_length") else []
        told += [f"like `{one.pattern}`"] if getattr(one, "pattern", None) else []
    return ", ".join(told)


def _default(field: FieldInfo) -> str:
    """As a settings file would have it."""
    value = field.default
    if field.is_required():
        return "required"
    if value is None:
        return "not set"
    if isinstance(value, Group):
        return "see there"
    if isinstance(value, tuple):
        value = [one.model_dump(exclude_defaults=True) if isinstance(one, Group) else one for one in value]
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True)
    return f"`{text.strip().removesuffix('...').strip()}`"


def _escaped(text: str) -> str:
    """Text that does not end a Markdown table's cell."""
    return text.replace("|", "\\|")


def _groups_in(annotation: Any) -> Iterator[type[Group]]:
    if isinstance(annotation, type) and issubclass(annotation, Group):
        yield annotation
    for inner in get_args(annotation):
        yield from _groups_in(inner)


if __name__ == "__main__":
    print(render(), end="")

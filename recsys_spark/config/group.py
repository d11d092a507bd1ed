"""What all groups of settings share: frozen, checked, and the kinds of numbers there are."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from recsys_spark.config.secret import check_reference

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What NumPy takes for a seed."""
Reference = Annotated[str, AfterValidator(check_reference)]
"""Where a secret is: env:NAME or scope:SCOPE/KEY."""


class Group(BaseModel):
    """A group of settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

"""What all groups of settings share: frozen, checked, and the kinds of numbers there are."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from recsys_spark.config.secret import check_reference

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
"""What NumPy takes for a seed, with room for those that are counted on from it, such as one for each epoch."""
Reference = Annotated[str, AfterValidator(check_reference)]
"""Where a secret is: env:NAME or scope:SCOPE/KEY."""
EVENT_TYPE = r"^[a-z][a-z0-9_]{0,62}\z"
"""What names a kind of event, as cleaning leaves it."""
EventType = Annotated[str, Field(pattern=EVENT_TYPE)]


class Group(BaseModel):
    """A group of settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

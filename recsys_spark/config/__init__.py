"""Frozen, typed settings, checked before Spark starts.

:func:`load_settings` reads one YAML file, applies ``--set`` overrides, refuses unknown keys and impossible values, and
returns a :class:`Settings`. Rooms take values out of it, never the whole object.
"""

from recsys_spark.config.load import load_settings
from recsys_spark.config.settings import Settings

__all__ = ["Settings", "load_settings"]

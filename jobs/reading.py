"""What the commands that look at a release share: their arguments, and a release opened from the settings."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.command_line import settings_parser
from recsys_spark.config import load_settings
from recsys_spark.config.running import PrivacySettings
from recsys_spark.lake import Lake, Release, current_release
from recsys_spark.secret import keys_of
from recsys_spark.session import open_session


def reading_parser(name: str, about: str) -> argparse.ArgumentParser:
    """The arguments of a command that reads a release."""
    override = "override one setting, such as --set lake.path=/data/lake"
    return settings_parser(name, about, "settings file (YAML) that names the lake", override)


@dataclass(frozen=True)
class Reading:
    """A release, and the lake that holds its tables."""

    lake: Lake
    release: Release
    privacy: PrivacySettings

    def user_id(self, external_id: str) -> str:
        """The id under which the release holds the user, who may have come before the key was set or rotated.

        Where it holds nobody of that id, the one that the present key makes.
        """
        forms = [*(key.pseudonym(external_id) for key in keys_of(self.privacy)), external_id]
        if len(forms) == 1:
            return external_id
        found = self.table("users").where(F.col("user_id").isin(forms)).select("user_id").collect()
        held = {row["user_id"] for row in found}
        return next((form for form in forms if form in held), forms[0])

    def table(self, name: str) -> DataFrame:
        """A table at the release's version; ``backtest/NAME`` for the other fold."""
        return self.release.read(self.lake, name)

    def paths(self) -> list[str]:
        """Folders of the release's tables."""
        return [f"{self.lake.root}/{name}" for name in sorted(self.release.tables)]


def open_release(name: str, arguments: argparse.Namespace) -> Reading:
    """Settings, session and lake, then the current release.

    Raises:
        SettingsError: the settings file is missing or wrong.
        NotFoundError: nothing is published.
    """
    settings = load_settings(arguments.conf, arguments.overrides)
    lake = Lake(open_session(settings.spark, f"recsys {name}"), settings.lake.path)
    return Reading(lake, current_release(lake), settings.privacy)

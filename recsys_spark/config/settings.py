"""What can be set, with defaults that suit a shop nobody has tuned for."""

from __future__ import annotations

from typing import get_args

from pydantic import model_validator

from recsys_spark.config.describing import CleaningSettings, ProfileSettings, VectorSettings
from recsys_spark.config.group import Group
from recsys_spark.config.learning import AlsSettings, BlockSettings, ColdStartSettings, Dense
from recsys_spark.config.ranking import BacktestSettings, RankSettings
from recsys_spark.config.running import AuditSettings, LakeSettings, PrivacySettings, RefreshSettings, SparkSettings
from recsys_spark.config.source import SourceSettings


class Settings(Group):
    """Everything that one deployment sets."""

    lake: LakeSettings = LakeSettings()
    spark: SparkSettings = SparkSettings()
    privacy: PrivacySettings = PrivacySettings()
    source: SourceSettings = SourceSettings(kind="synthetic")
    cleaning: CleaningSettings = CleaningSettings()
    profiles: ProfileSettings = ProfileSettings()
    vectors: VectorSettings = VectorSettings()
    als: AlsSettings = AlsSettings()
    coldstart: ColdStartSettings = ColdStartSettings()
    blocks: BlockSettings = BlockSettings()
    rank: RankSettings = RankSettings()
    backtest: BacktestSettings = BacktestSettings()
    refresh: RefreshSettings = RefreshSettings()
    audit: AuditSettings = AuditSettings()

    @model_validator(mode="after")
    def _vectors_hold_a_block_that_is_made(self) -> Settings:
        if not self.coldstart.enabled and set(self.blocks.enabled) & set(get_args(Dense)) == {"deep"}:
            others = ", ".join(name for name in get_args(Dense) if name != "deep")
            raise ValueError(
                "blocks.enabled: deep alone gives items vectors to search, and coldstart.enabled is false; enable "
                f"coldstart, or add at least one of {others}"
            )
        return self

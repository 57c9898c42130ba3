"""Every setting of normalize."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from libs.stage import StageSettings


class Settings(StageSettings):
    """`NORMALIZE_*`; only what all stages have."""

    model_config = SettingsConfigDict(env_prefix="NORMALIZE_", frozen=True)

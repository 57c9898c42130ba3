"""Every setting of the sink."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.stage import StageSettings


class Settings(StageSettings):
    """`SINK_*`, and where the store is."""

    model_config = SettingsConfigDict(env_prefix="SINK_", frozen=True)

    database_url: SecretStr = Field(default=..., validation_alias="DATABASE_URL")
    # Events in one transaction; more would make the first of them wait for the last.
    transaction_events_max: int = Field(default=5_000, ge=1)

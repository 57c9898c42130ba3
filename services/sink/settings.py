"""Every setting of the sink."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.stage import StageSettings
from libs.stage.retry import RETRY_BUDGET_S


class Settings(StageSettings):
    """`SINK_*`, and where the store is."""

    model_config = SettingsConfigDict(env_prefix="SINK_", frozen=True)

    database_url: SecretStr = Field(default=..., validation_alias="DATABASE_URL")
    # A start without a PostgreSQL is tried again for so long; then the sink ends, and is restarted.
    database_patience_s: float = Field(default=RETRY_BUDGET_S, ge=0)
    # Events in one transaction; more would make the first of them wait for the last.
    transaction_events_max: int = Field(default=5_000, ge=1)

"""Every setting of decorate."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.stage import StageSettings


class Settings(StageSettings):
    """`DECORATE_*`, and the database for entities that are kept in a table."""

    model_config = SettingsConfigDict(env_prefix="DECORATE_", frozen=True)

    # The path of a file, or `table` for the table `entity`.
    entities: str = "deploy/entities.json"
    # How soon a changed file or table is noticed.
    reload_s: float = Field(default=2.0, gt=0)
    database_url: SecretStr = Field(default=SecretStr(""), validation_alias="DATABASE_URL")

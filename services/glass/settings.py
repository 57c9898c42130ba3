"""Every setting of the read side."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.keys import read_keys
from libs.stage import HealthSettings


class Settings(BaseSettings):
    """`GLASS_*`; a query past its time gets 503, never a part of an answer."""

    model_config = SettingsConfigDict(env_prefix="GLASS_", frozen=True)

    replica: int = Field(default=0, ge=0, validation_alias="TTG_REPLICA")
    health: HealthSettings = Field(default_factory=HealthSettings)
    host: str = "127.0.0.1"
    port: int = Field(default=7401, ge=0, le=65_535)
    # Where a container's port is published, which itself listens on all of its addresses.
    published_on: str = ""
    # `tenant=key`, separated by commas; a key sees its tenant only. Empty: open, on loopback only.
    api_keys: SecretStr = SecretStr("")
    database_url: SecretStr = Field(default=..., validation_alias="DATABASE_URL")

    # Queries that run at once; more wait for `pool_wait_s`, then get 503.
    pool_connections_max: int = Field(default=4, ge=1)
    pool_wait_s: float = Field(default=2.0, gt=0)
    # The database itself ends a query after this.
    query_timeout_s: float = Field(default=5.0, gt=0)

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        reached_at = self.published_on or self.host
        if not read_keys(self.api_keys) and not _is_loopback(reached_at):
            raise ValueError(
                f"GLASS_API_KEYS must be set to listen on {reached_at}, or use 127.0.0.1"
            )
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

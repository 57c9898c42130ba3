"""What every stage is told by whoever runs it."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.kafka import KafkaSettings
from libs.stage.failpoints import read_failpoints


class HealthSettings(BaseSettings):
    """`HEALTH_*`: where a process says how it is, and after how long it is not well."""

    model_config = SettingsConfigDict(env_prefix="HEALTH_", frozen=True)

    # `/live` and `/ready`: on a port (0: none), and on a socket in the file system (empty: none),
    # which any number of replicas on one machine can have.
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    socket: str = ""

    # Past it a dependency counts as away: not ready, and no reason to restart.
    answer_limit_s: float = Field(default=5.0, gt=0)
    # Past one of these the process logs all its stacks and ends. Nothing stands still for long by
    # itself: a fetch is answered several times a second, and any work is done in less.
    loop_still_s: float = Field(default=5.0, gt=0)
    fetch_limit_s: float = Field(default=10.0, gt=0)
    progress_limit_s: float = Field(default=60.0, gt=0)


class StageSettings(BaseSettings):
    """The settings that all stages share; each stage adds its own under its own prefix."""

    model_config = SettingsConfigDict(frozen=True)

    # Which replica of the stage this process is, from 0.
    replica: int = Field(default=0, ge=0, validation_alias="TTG_REPLICA")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    # Faults for tests; see libs/stage/failpoints.py.
    failpoints: str = ""
    # Records handed out by one poll; work on all of them ends before the next poll.
    poll_records_max: int = Field(default=500, ge=1)

    @field_validator("failpoints")
    @classmethod
    def _check_failpoints(cls, text: str) -> str:
        read_failpoints(text)
        return text

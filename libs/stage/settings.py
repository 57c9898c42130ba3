"""What every stage is told by whoever runs it."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.kafka import KafkaSettings
from libs.stage.failpoints import read_failpoints
from libs.stage.retry import RETRY_BUDGET_S


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


class StageKafkaSettings(KafkaSettings):
    """`KAFKA_*`, for who has the time to wait until there is a Kafka."""

    start_patience_s: float = Field(default=RETRY_BUDGET_S, ge=0)


class StageSettings(BaseSettings):
    """The settings that all stages share; each stage adds its own under its own prefix."""

    model_config = SettingsConfigDict(frozen=True)

    # Which replica of the stage this process is, from 0.
    replica: int = Field(default=0, ge=0, validation_alias="TTG_REPLICA")
    kafka: KafkaSettings = Field(default_factory=StageKafkaSettings)
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


class DeadLetterSettings(BaseSettings):
    """`DEAD_LETTERS_*`: where a stage stops instead of burying more; the same for all stages."""

    model_config = SettingsConfigDict(env_prefix="DEAD_LETTERS_", frozen=True)

    # Records in a row of one partition, of each of which nothing goes on; 0: no limit.
    consecutive_max: int = Field(default=100, ge=0, le=10_000)
    # The dead share of the last `window_records` records of one partition; 1: no limit. A partition
    # that has not had so many yet counts as if those before had been good.
    ratio_max: float = Field(default=0.5, ge=0, le=1)
    window_records: int = Field(default=1_000, ge=1, le=10_000)

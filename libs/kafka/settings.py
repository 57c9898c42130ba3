"""What every stage must know to speak to Kafka."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class KafkaSettings(BaseSettings):
    """`KAFKA_*`: shared by all stages, named after the clients' own settings."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", frozen=True)

    bootstrap_servers: str = "127.0.0.1:9092"

    # Producer. Records are batches already, so waiting for more buys little. A batch of Kafka's is
    # one request's share of a partition; below the topic's max.message.bytes, also uncompressed.
    linger_ms: int = Field(default=0, ge=0, le=10_000)
    max_batch_size: int = Field(default=786_432, ge=1)
    compression_type: Literal["zstd", "snappy", "none"] = "zstd"
    # Compared with the uncompressed size; below the topic's max.message.bytes, because a record
    # that the broker refuses ends an idempotent producer.
    max_request_size: int = Field(default=1_000_000, ge=1_000)
    # The client sends again for as long as a broker is away; past this wait for an ack a stage
    # stops uncommitted. The door answers 503 long before.
    delivery_timeout_s: float = Field(default=1_800.0, gt=0)

    # A producer that a refused record has ended is replaced, and what is not acknowledged goes on.
    # After so many in a row that came to nothing, the stage stops.
    producer_rebuilds_max: int = Field(default=10, ge=1)

    # Consumer. The session bounds how long a dead replica's partitions stand still.
    # A fetch is answered when there is this much, or after `fetch_max_wait_ms`; in between records
    # wait at the broker, at each hop.
    fetch_min_bytes: int = Field(default=1, ge=1)
    fetch_max_wait_ms: int = Field(default=100, ge=1)
    # Between two fetches from one broker. Where records come more often, each fetch, and all that
    # is sent and committed for it, is of several; where they come less often, none waits.
    fetch_interval_min_ms: int = Field(default=10, ge=0, le=1_000)
    # Compressed, of one partition: some thousand events. With less of each, one poll has records of
    # more of them.
    max_partition_fetch_bytes: int = Field(default=131_072, ge=1_024)
    poll_timeout_ms: int = Field(default=200, ge=1)
    session_timeout_ms: int = Field(default=6_000, ge=1_000)
    heartbeat_interval_ms: int = Field(default=1_500, ge=100)
    rebalance_timeout_ms: int = Field(default=20_000, ge=1_000)
    max_poll_interval_ms: int = Field(default=60_000, ge=1_000)
    commit_timeout_s: float = Field(default=5.0, gt=0)
    # Go on at the first record there is where unread ones were deleted; without it a stage stops.
    accept_gap: bool = False

    # Both. A client that cannot say goodbye in this time is left behind.
    request_timeout_ms: int = Field(default=10_000, ge=1_000)
    close_timeout_s: float = Field(default=3.0, gt=0)
    # Kafka not ready after this: a start has failed.
    start_timeout_s: float = Field(default=30.0, gt=0)
    # A start that failed for want of a Kafka is tried again for so long; 0: once, for a command
    # whose user waits. A stage has half an hour of its own.
    start_patience_s: float = Field(default=0.0, ge=0)

"""Every setting of the door."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from libs.http_guard import Limits
from libs.keys import read_keys
from libs.stage import StageSettings
from libs.tracing import SamplingSettings


class Settings(StageSettings):
    """`INGEST_*`; past a limit a client gets an answer that says so, never a silent loss."""

    model_config = SettingsConfigDict(env_prefix="INGEST_", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=7400, ge=0, le=65_535)
    # `tenant=key`, separated by commas; a tenant may have several keys.
    api_keys: SecretStr = Field(default=..., validation_alias="INGEST_API_KEYS")
    # Tenants, separated by commas, whose `traceparent` is continued and not only linked.
    trusted_tenants: str = ""
    sampling: SamplingSettings = Field(default_factory=SamplingSettings)

    # A larger body is refused with 413.
    body_bytes_max: int = Field(default=4_194_304, ge=1_024)
    # So much of a body that was refused is read and dropped; past it the connection is cut.
    discarded_bytes_max: int = Field(default=33_554_432, ge=0)
    request_events_max: int = Field(default=10_000, ge=1)
    # A client that sends its body more slowly than this is cut off with 408.
    body_timeout_s: float = Field(default=30.0, gt=0)

    # An open record waits this long for more requests.
    linger_s: float = Field(default=0.005, ge=0)
    # A record is closed at either of these; larger requests are cut into parts.
    record_events_max: int = Field(default=1_000, ge=1)
    record_bytes_max: int = Field(default=524_288, ge=1_024)

    # Read into memory and not yet acknowledged; past it a request gets 503.
    buffered_bytes_max: int = Field(default=67_108_864, ge=1_024)
    # No ack after this: 503, and the client may send the same ids again.
    ack_timeout_s: float = Field(default=10.0, gt=0)
    # While the oldest unacknowledged record is older than this, new requests get 503 at once.
    stall_s: float = Field(default=3.0, gt=0)
    # Requests that are read, checked or wait for their ack; past it a request gets 503 at once.
    requests_in_flight_max: int = Field(default=1_024, ge=1)
    # What `Retry-After` says.
    retry_after_s: int = Field(default=2, ge=1)

    # Of each tenant, a second; past it 429 with the time to wait. 0 is no limit.
    tenant_requests_per_s_max: float = Field(default=0.0, ge=0)
    tenant_bytes_per_s_max: float = Field(default=0.0, ge=0)
    tenant_events_per_s_max: float = Field(default=0.0, ge=0)
    # So many seconds of its limit a tenant may send at once.
    tenant_burst_s: float = Field(default=2.0, gt=0)

    # The HTTP server: connections past the limit get 503; a head that is too slow 408, a larger one
    # 431; an idle connection is closed.
    connections_max: int = Field(default=1_024, ge=1)
    head_timeout_s: float = Field(default=10.0, gt=0)
    head_bytes_max: int = Field(default=32_768, ge=1_024)
    head_fields_max: int = Field(default=100, ge=1)
    idle_timeout_s: float = Field(default=75.0, gt=0)

    # Told to stop, the door takes requests for so long while it says that it is not ready; make it
    # longer than a load balancer needs to notice. The whole drain must fit in 20 s.
    drain_notice_s: float = Field(default=1.0, ge=0, le=5)

    @property
    def http(self) -> Limits:
        """What a client may take of the HTTP server."""
        return Limits(
            connections_max=self.connections_max,
            head_timeout_s=self.head_timeout_s,
            head_bytes_max=self.head_bytes_max,
            head_fields_max=self.head_fields_max,
            # The door's own answer to a slow body comes first.
            body_timeout_s=self.body_timeout_s + 1,
            idle_timeout_s=self.idle_timeout_s,
            discarded_bytes_max=self.discarded_bytes_max,
            retry_after_s=self.retry_after_s,
        )

    @property
    def trusted(self) -> list[str]:
        """The trusted tenants."""
        return [name.strip() for name in self.trusted_tenants.split(",") if name.strip()]

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.record_bytes_max > self.kafka.max_request_size:
            raise ValueError(
                f"INGEST_RECORD_BYTES_MAX must not be above KAFKA_MAX_REQUEST_SIZE, "
                f"which is {self.kafka.max_request_size}"
            )
        return self

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, keys: SecretStr) -> SecretStr:
        if not read_keys(keys):
            raise ValueError("must name at least one tenant=key")
        return keys

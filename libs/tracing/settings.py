"""How much is traced and how it is exported."""

from __future__ import annotations

import re
from typing import Literal

from grpc import Compression
from pydantic import Field, FilePath, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# One member of OTEL_EXPORTER_OTLP_HEADERS, as far as the SDK takes it.
_HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+[ \t]*=[ \t]*[ !#-+\--:<-\[\]-~]*", re.ASCII)


class ExportSettings(BaseSettings):
    """`OTEL_*` with defaults of ours; the endpoint, time-out and TLS are read by the SDK itself."""

    model_config = SettingsConfigDict(
        env_prefix="OTEL_", env_ignore_empty=True, hide_input_in_errors=True, frozen=True
    )

    sdk_disabled: bool = False
    traces_exporter: Literal["otlp", "none"] = "otlp"
    # Off by default, because Jaeger takes traces only.
    metrics_exporter: Literal["otlp", "none"] = "none"
    logs_exporter: Literal["otlp", "none"] = "none"
    # A waterfall is looked at seconds after the request, so spans leave soon; each call takes a
    # millisecond, however few they are.
    bsp_schedule_delay: int = Field(default=500, ge=1)
    # Spans past this are dropped and counted; the pipeline never waits for a collector. A full
    # queue takes about 64 MB.
    bsp_max_queue_size: int = Field(default=65_536, ge=1)
    bsp_max_export_batch_size: int = Field(default=1_024, ge=1)
    # A batch that encodes to more is sent in halves: New Relic refuses requests over 10^6 bytes.
    payload_bytes_max: int = Field(
        default=1_000_000, ge=1, validation_alias="TRACE_PAYLOAD_BYTES_MAX"
    )

    # Longer text is cut, and attributes past the count are left out: New Relic's limits.
    attribute_value_length_limit: int = Field(default=4_095, ge=0)
    span_attribute_value_length_limit: int | None = Field(default=None, ge=0)
    attribute_count_limit: int = Field(default=64, ge=0)
    span_attribute_count_limit: int | None = Field(default=None, ge=0)

    # What the SDK would take without a word and then not do is refused at the start.
    exporter_otlp_protocol: Literal["grpc"] = "grpc"
    exporter_otlp_traces_protocol: Literal["grpc"] = "grpc"
    exporter_otlp_compression: Literal["none", "gzip"] = "none"
    exporter_otlp_traces_compression: Literal["none", "gzip"] | None = None
    exporter_otlp_certificate: FilePath | None = None
    exporter_otlp_traces_certificate: FilePath | None = None
    exporter_otlp_headers: SecretStr = SecretStr("")
    exporter_otlp_traces_headers: SecretStr = SecretStr("")
    exporter_otlp_metrics_headers: SecretStr = SecretStr("")
    exporter_otlp_logs_headers: SecretStr = SecretStr("")

    @field_validator(
        "exporter_otlp_headers",
        "exporter_otlp_traces_headers",
        "exporter_otlp_metrics_headers",
        "exporter_otlp_logs_headers",
    )
    @classmethod
    def _check_headers(cls, headers: SecretStr) -> SecretStr:
        # The SDK would log such a header, and with it a key.
        members = filter(None, map(str.strip, headers.get_secret_value().split(",")))
        if not all(_HEADER.fullmatch(member) for member in members):
            raise ValueError("must be name=value, more of them after commas")
        return headers

    @property
    def chars_max(self) -> int:
        """How long the text of a span's attribute may be."""
        of_span = self.span_attribute_value_length_limit
        return self.attribute_value_length_limit if of_span is None else of_span

    @property
    def attributes_max(self) -> int:
        """How many attributes a span may have."""
        of_span = self.span_attribute_count_limit
        return self.attribute_count_limit if of_span is None else of_span

    @property
    def compression(self) -> Compression:
        """How requests are; said to the SDK, which raises on `none`, that the specification has."""
        wish = self.exporter_otlp_traces_compression or self.exporter_otlp_compression
        return Compression.Gzip if wish == "gzip" else Compression.NoCompression


Shape = Literal["glass", "chain"]


class TraceSettings(BaseSettings):
    """`TRACE_*`: how traces look, and which unsampled requests get one afterwards."""

    model_config = SettingsConfigDict(env_prefix="TRACE_", frozen=True)

    # glass: queue and work of each stage under the root. chain: under the send before them.
    shape: Shape = "glass"
    # contrib: opentelemetry-instrumentation-aiokafka makes the spans of Kafka, and not we.
    kafka: Literal["ours", "contrib"] = "ours"
    # An unsampled request that took this long to the glass is traced after the fact; 0: none is.
    retro_slow_s: float = Field(default=1.0, ge=0)
    # So are the slowest of each second, whatever they took.
    retro_slowest_per_second: int = Field(default=0, ge=0, le=1_000)
    # So is one with events that were dead-lettered.
    retro_failed: bool = True
    # All of these together; past it they go untraced.
    retro_per_second_max: float = Field(default=200.0, ge=0)


class SamplingSettings(BaseSettings):
    """Decided once, at the door, and carried along."""

    model_config = SettingsConfigDict(frozen=True)

    ratio: float = Field(default=1.0, ge=0, le=1, validation_alias="OTEL_TRACES_SAMPLER_ARG")
    # Requests past this rate in one door are passed on unsampled.
    per_second_max: float = Field(default=200.0, ge=0, validation_alias="TRACE_PER_SECOND_MAX")
    # Traces a second that one trusted tenant may continue here.
    trusted_per_second_max: float = Field(
        default=50.0, ge=0, validation_alias="TRACE_TRUSTED_PER_SECOND_MAX"
    )

"""How much is traced and how it is exported."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ExportSettings(BaseSettings):
    """`OTEL_*` with defaults of ours; endpoint, headers and TLS are read by the SDK itself."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", frozen=True)

    sdk_disabled: bool = False
    traces_exporter: Literal["otlp", "none"] = "otlp"
    # A waterfall is looked at seconds after the request, so spans leave quickly.
    bsp_schedule_delay: int = Field(default=200, ge=1)
    # Spans past this are dropped and counted; the pipeline never waits for a collector.
    bsp_max_queue_size: int = Field(default=65_536, ge=1)
    bsp_max_export_batch_size: int = Field(default=2_048, ge=1)


class SamplingSettings(BaseSettings):
    """Decided once, at the door, and carried along."""

    model_config = SettingsConfigDict(frozen=True)

    ratio: float = Field(default=1.0, ge=0, le=1, validation_alias="OTEL_TRACES_SAMPLER_ARG")
    # Requests past this rate in one door are passed on unsampled.
    per_second_max: float = Field(default=200.0, ge=0, validation_alias="TRACE_PER_SECOND_MAX")

"""The exporter's life: started with a stage, flushed within a budget when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import structlog
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from libs.tracing import names
from libs.tracing.settings import ExportSettings
from libs.tracing.spans import Emitter, NoEmitter, SdkEmitter

_log = structlog.get_logger()

_FLUSH_LIMIT_S = 3.0
# The kernel's boot id is one value for a machine and all containers on it, so a backend does
# not "correct" the clocks of stages that share one.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@asynccontextmanager
async def exporting(stage: str, replica: int) -> AsyncGenerator[Emitter]:
    """Yield where this process's spans go; at the end export what is left, for 3 s at most."""
    settings = ExportSettings()
    if settings.sdk_disabled or settings.traces_exporter == "none":
        yield NoEmitter()
        return
    release = version("time-to-glass")
    processor = BatchSpanProcessor(
        OTLPSpanExporter(),
        max_queue_size=settings.bsp_max_queue_size,
        schedule_delay_millis=settings.bsp_schedule_delay,
        max_export_batch_size=min(settings.bsp_max_export_batch_size, settings.bsp_max_queue_size),
    )
    try:
        yield SdkEmitter(
            processor,
            stage=_resource(stage, f"{stage}-{replica}", release),
            pipeline=_resource(names.PIPELINE_SERVICE, f"{stage}-{replica}", release),
            version=release,
        )
    finally:
        await _flush(processor)


def _resource(service: str, instance: str, release: str) -> Resource:
    attributes = {
        names.SERVICE_NAME: service,
        names.SERVICE_NAMESPACE: names.NAMESPACE,
        names.SERVICE_INSTANCE: instance,
        names.SERVICE_VERSION: release,
    }
    if _BOOT_ID.exists():
        attributes[names.HOST_ID] = _BOOT_ID.read_text().strip()
    return Resource.create(attributes, schema_url=names.SCHEMA_URL)


async def _flush(processor: BatchSpanProcessor) -> None:
    try:
        # shutdown() joins the exporter's thread.
        async with asyncio.timeout(_FLUSH_LIMIT_S):
            await asyncio.to_thread(processor.shutdown)
    except TimeoutError:
        _log.warning("spans were left behind", flush_limit_s=_FLUSH_LIMIT_S)

"""The exporter's life: started with a stage, flushed within a budget when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from libs.tracing import interop
from libs.tracing.export import OtlpSender, Outbox
from libs.tracing.host import host_id
from libs.tracing.leaving import leave_behind
from libs.tracing.measuring import measuring
from libs.tracing.meters import no_meters
from libs.tracing.otlp import Encoder, resource
from libs.tracing.policy import Policy
from libs.tracing.recording import Recorder
from libs.tracing.settings import ExportSettings
from libs.tracing.spans import Emitter, NoEmitter, Source

_FLUSH_LIMIT_S = 3.0


@asynccontextmanager
async def exporting(stage: str, replica: int) -> AsyncGenerator[Emitter]:
    """Yield where this process's spans go; at the end export what is left, for 3 s at most."""
    settings = ExportSettings()
    policy = Policy()
    interop.refuse_two_injectors(policy)
    if settings.sdk_disabled or settings.traces_exporter == "none":
        yield NoEmitter()
        return
    own = Source(stage, f"{stage}-{replica}", host_id())
    release = version("time-to-glass")
    meters, ends = no_meters(), list[Callable[[], object]]()
    if settings.metrics_exporter == "otlp":
        meters, end = measuring(resource(own, release), release, settings.compression)
        ends.append(end)
    recorder = None
    if settings.logs_exporter == "otlp":
        recorder = Recorder(resource(own, release), release, settings.compression)
        ends.append(recorder.end)
    if policy.is_contrib:
        ends.append(interop.instrument(resource(own, release), settings.compression))
    sender = OtlpSender(Encoder(own, release, settings), settings)
    outbox = Outbox(sender, policy, settings, meters=meters)
    try:
        yield interop.Ends(outbox) if policy.is_contrib else outbox
    finally:
        # All at once, because the time for a stop is one for all of it.
        await asyncio.gather(
            asyncio.to_thread(outbox.stop, _FLUSH_LIMIT_S),
            *(leave_behind(end, _FLUSH_LIMIT_S) for end in ends),
        )
        if recorder is not None:
            recorder.tell()

"""Which spans there are, how their context travels, and where they go."""

from libs.tracing.context import (
    SpanRef as SpanRef,
    adopt as adopt,
    parse_traceparent as parse_traceparent,
)
from libs.tracing.door import (
    Answer as Answer,
    Request as Request,
    begin as begin,
    report_request as report_request,
)
from libs.tracing.glass import (
    Ending as Ending,
    Stored as Stored,
    report_root as report_root,
    report_store as report_store,
)
from libs.tracing.headers import (
    Carried as Carried,
    read_headers as read_headers,
    write_headers as write_headers,
)
from libs.tracing.hop import (
    Leg as Leg,
    Read as Read,
    Written as Written,
    legs as legs,
    report_hop as report_hop,
    report_read as report_read,
)
from libs.tracing.sampling import Sampler as Sampler
from libs.tracing.settings import SamplingSettings as SamplingSettings
from libs.tracing.setup import exporting as exporting
from libs.tracing.spans import Emitter as Emitter, NoEmitter as NoEmitter, Span as Span
from libs.tracing.trail import Stop as Stop

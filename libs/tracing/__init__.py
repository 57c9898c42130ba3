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
    report_not_sent as report_not_sent,
    report_request as report_request,
)
from libs.tracing.endings import (
    Endings as Endings,
    Part as Part,
    Told as Told,
    report_death as report_death,
)
from libs.tracing.facts import (
    UNKNOWN as UNKNOWN,
    Operation as Operation,
    Read as Read,
    Stored as Stored,
    Written as Written,
)
from libs.tracing.glass import (
    Ending as Ending,
    report_root as report_root,
    report_store as report_store,
)
from libs.tracing.headers import (
    Carried as Carried,
    read_headers as read_headers,
    speaker as speaker,
    without_context as without_context,
    write_headers as write_headers,
)
from libs.tracing.hop import (
    Leg as Leg,
    Reading as Reading,
    exemplar as exemplar,
    legs as legs,
    report_hop as report_hop,
    report_read as report_read,
)
from libs.tracing.host import host_id as host_id
from libs.tracing.interop import sending as sending
from libs.tracing.meters import Meters as Meters
from libs.tracing.policy import Policy as Policy
from libs.tracing.recording import carried_ids as carried_ids
from libs.tracing.replay import (
    Replay as Replay,
    begin_replay as begin_replay,
    report_replay as report_replay,
)
from libs.tracing.retro import Arrival as Arrival
from libs.tracing.sampling import Sampler as Sampler
from libs.tracing.settings import SamplingSettings as SamplingSettings
from libs.tracing.setup import exporting as exporting
from libs.tracing.spans import Emitter as Emitter, NoEmitter as NoEmitter, Span as Span
from libs.tracing.trail import Stop as Stop, Trail as Trail

"""Nothing is sampled and a stage is slow for once: exactly the slow requests have a trace."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec
import pytest

from libs.tracing import names
from services.topology import DECORATE
from tests.stack import Stack, eventually, http, roots, running
from tests.waterfalls import WATERFALL, span_names, tags, warnings
from tools.load.client import Client

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

REQUESTS = 500
RATE_PER_S = 300
NAME = "retro.probe"
SLOW_S = 0.3
DELAY_S = 0.5
SLOWED = names.PROCESS.format(topic=DECORATE.reads)
# Rows are stamped a little before the commit, so near the threshold either is right.
NEAR_S = 0.1
SETTINGS = {
    "OTEL_TRACES_SAMPLER_ARG": "0",
    "TRACE_RETRO_SLOW_S": str(SLOW_S),
    "TRACE_RETRO_PER_SECOND_MAX": "1000",
    # At one record, and not at one in a hundred: a chance would now and then not come about.
    "DECORATE_FAILPOINTS": f"hop.handle:delay_ms={round(DELAY_S * 1_000)}@30",
}


async def post_all(stack: Stack) -> None:
    headers = {"Api-Key": stack.values["API_KEY"], "Content-Type": "application/json"}
    client = Client(stack.values["INGEST_URL"], "/v1/events", headers)
    body = msgspec.json.encode({"name": NAME, "value": 1})

    async def post(number: int) -> int:
        await asyncio.sleep(number / RATE_PER_S)
        return (await client.post(body, 15.0)).status

    try:
        assert set(await asyncio.gather(*map(post, range(REQUESTS)))) == {202}
    finally:
        client.close()


def took_s(event: dict[str, str]) -> float:
    stored, received = (datetime.fromisoformat(event[f"{at}_at"]) for at in ("stored", "received"))
    return (stored - received).total_seconds()


def test_exactly_the_slow_requests_have_a_trace(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("retro") / "state", **SETTINGS) as stack:
        stack.post({"name": "first", "value": 1})
        asyncio.run(post_all(stack))
        asked = f"name={NAME}&limit=1000"
        eventually(lambda: len(stack.events(asked)) == REQUESTS, 30.0)
        taken = {event["trace_id"]: took_s(event) for event in stack.events(asked)}
        slow = {trace_id for trace_id, seconds in taken.items() if seconds >= SLOW_S}
        # The spans of all stages come from the sink, in batches.
        eventually(lambda: all(stack.trace_now(trace_id) for trace_id in slow), 20.0)
        last = max(slow, key=lambda trace_id: taken[trace_id])
        eventually(lambda: stack.trace(last), 20.0)
        url = f"{stack.values['JAEGER_URL']}/api/traces?service=pipeline&limit=1000"
        traces = {trace["traceID"]: trace for trace in http("GET", url).body["data"]}

    nearly = {trace_id for trace_id, seconds in taken.items() if seconds >= SLOW_S - NEAR_S}
    assert slow
    assert slow <= traces.keys() <= nearly | {*traces} - taken.keys()
    slowed = 0
    for trace_id in slow:
        trace = traces[trace_id]
        assert span_names(trace) == WATERFALL
        assert warnings(trace) == []
        assert all(tags(span)[names.RETRO] for span in trace["spans"])
        rest = [span for span in trace["spans"] if span not in roots(trace)]
        (work,) = [span for span in rest if span["operationName"] == SLOWED]
        if work["duration"] >= DELAY_S * 1e6:
            slowed += 1
            longest = max(rest, key=lambda span: span["duration"])
            assert trace["processes"][longest["processID"]]["serviceName"] == DECORATE.stage
    # Behind a record that was slowed others wait, in front of other stages, too.
    assert slowed

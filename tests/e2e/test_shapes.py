"""The other ways to trace, each on its own stack: as a chain, and by the package for aiokafka."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from libs.tracing import names
from services.topology import PIPELINE, TOPICS
from tests.stack import Stack, eventually, parents, roots, running
from tests.waterfalls import WATERFALL, parent_of, span_names, tags, warnings, with_spans

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

EVENT = {"name": "probe", "value": 1}


@contextmanager
def shaped(tmp_path_factory: pytest.TempPathFactory, **settings: str) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("shaped") / "state", **settings) as stack:
        yield stack


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with shaped(tmp_path_factory, TRACE_SHAPE="chain") as stack:
        yield stack


def test_in_a_chain_each_hop_hangs_on_the_send_before_it(chained: Stack) -> None:
    answer = chained.post(EVENT)

    trace = eventually(lambda: chained.trace(answer.body["trace_id"]))
    assert span_names(trace) == WATERFALL
    assert parents(trace) <= {span["spanID"] for span in trace["spans"]}
    assert warnings(trace) == []
    (root,) = roots(trace)
    assert tags(root)[names.SHAPE] == "chain"
    assert parent_of(trace, names.SERVER) == names.ROOT
    assert parent_of(trace, names.SEND.format(topic=TOPICS[0])) == names.SERVER
    for topic in TOPICS:
        assert parent_of(trace, names.QUEUE.format(topic=topic)) == names.SEND.format(topic=topic)
        assert parent_of(trace, names.PROCESS.format(topic=topic)) == names.SEND.format(topic=topic)


def test_a_chain_gives_the_backend_its_edges(chained: Stack) -> None:
    """Each stage has a span whose parent is a span of the stage before it."""
    answer = chained.post(EVENT)

    trace = eventually(lambda: chained.trace(answer.body["trace_id"]))
    services = {key: process["serviceName"] for key, process in trace["processes"].items()}
    service_of = {span["spanID"]: services[span["processID"]] for span in trace["spans"]}
    edges = {
        (service_of[ref["spanID"]], service_of[span["spanID"]])
        for span in trace["spans"]
        for ref in span["references"]
        if ref["refType"] == "CHILD_OF"
    }
    stages = [hop.stage for hop in PIPELINE]
    assert set(itertools.pairwise(stages)) <= edges


def test_the_package_for_aiokafka_can_make_the_spans_instead(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    event_id = str(uuid.uuid4())
    with shaped(tmp_path_factory, TRACE_KAFKA="contrib") as stack:
        answer = stack.post({**EVENT, "event_id": event_id})
        eventually(lambda: stack.events(f"event_id={event_id}"))
        trace_id = answer.body["trace_id"]
        sends = [f"{topic} send" for topic in TOPICS]
        trace = eventually(lambda: with_spans(stack, trace_id, names.ROOT, names.SERVER, *sends))
        printed = stack.ttg("headers", TOPICS[1], "--count", "1").stdout

    assert not span_names(trace).keys() & {names.SEND.format(topic=topic) for topic in TOPICS}
    assert parent_of(trace, names.SERVER) == names.ROOT
    assert parent_of(trace, sends[0]) == names.SERVER
    assert [parent_of(trace, later) for later in sends[1:]] == sends[:-1]
    # One injector, one context.
    assert printed.count("traceparent=") == 1
    assert printed.count("tracestate=") == 1
    assert trace_id in printed

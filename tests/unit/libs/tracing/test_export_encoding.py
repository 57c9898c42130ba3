"""Our encoding of spans, held against the SDK's of the same spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Encoded
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from libs.tracing import names
from libs.tracing.context import SpanRef
from libs.tracing.otlp import Encoder, resource
from libs.tracing.settings import ExportSettings
from libs.tracing.spans import Shared, Source, Span

VERSION = "1.2.3"
OWN = Source("normalize", "normalize-0", "a1b2")
OTHERS = [Source("pipeline", "pipeline", ""), Source("decorate", "decorate-1", "a1b2")]
REF = SpanRef(1, 2, is_sampled=True)

refs = st.builds(SpanRef, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.just(True))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = texts | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
values = scalars | st.lists(texts, max_size=3).map(tuple)


def named(prefix: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(texts.map(lambda name: prefix + name), values, max_size=5)


spans = st.builds(
    Span,
    name=texts,
    ref=refs,
    parent_id=st.integers(0, 2**64 - 1),
    start_us=st.integers(0, 2**53),
    end_us=st.integers(0, 2**53),
    kind=st.sampled_from(SpanKind),
    shared=st.builds(Shared, named("s"), st.none() | st.builds(Shared, named("b"))),
    own=named("o"),
    links=st.lists(refs, max_size=2).map(tuple),
    error_type=texts,
    error_text=texts,
    source=st.none() | st.sampled_from(OTHERS),
)


def encoder(**values: int) -> Encoder:
    return Encoder(OWN, VERSION, ExportSettings.model_validate(values))


def decoded(request: bytes) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(request)


def encode_one(span: Span, **values: int) -> Encoded:
    request = decoded(encoder(**values).encode([span]))
    return request.resource_spans[0].scope_spans[0].spans[0]


def a_span(**attributes: str | int | tuple[str, ...]) -> Span:
    return Span("send", REF, 0, 1_000, 2_000, own=dict(attributes))


@settings(deadline=None)
@given(batch=st.lists(spans, max_size=4))
def test_a_request_is_the_one_the_sdk_makes_of_the_same_spans(batch: Sequence[Span]) -> None:
    ours = encoder().encode(batch)

    theirs = encode_spans([as_the_sdk_has_it(span) for span in batch])
    assert decoded(ours) == without_flags(theirs)


def without_flags(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Leave out what the SDK says of remoteness: many parents of ours are of other processes."""
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                span.flags = 0
                for link in span.links:
                    link.flags = 0
    return request


def as_the_sdk_has_it(span: Span) -> ReadableSpan:
    failed = {names.ERROR_TYPE: span.error_type} if span.error_type else {}
    return ReadableSpan(
        name=span.name,
        context=context(span.ref),
        parent=context(SpanRef(span.ref.trace_id, span.parent_id, True))
        if span.parent_id
        else None,
        resource=resource(span.source or OWN, VERSION),
        attributes={**failed, **span.attributes},
        links=[Link(context(link)) for link in span.links],
        kind=span.kind,
        status=Status(StatusCode.ERROR, span.error_text or span.error_type)
        if span.error_type
        else Status(StatusCode.UNSET),
        start_time=span.start_us * 1000,
        end_time=max(span.end_us, span.start_us + 1) * 1000,
        instrumentation_scope=InstrumentationScope(names.SCOPE, VERSION, names.SCHEMA_URL),
    )


def context(ref: SpanRef) -> SpanContext:
    return SpanContext(ref.trace_id, ref.span_id, is_remote=False)


def test_text_is_cut_at_new_relics_limit_unless_another_is_set() -> None:
    span = a_span(long="é" * 5_000, short="x", many=("y" * 5_000,))
    span.error_type = "Rejected"
    span.error_text = "z" * 5_000

    encoded = encode_one(span)

    _, long, short, many = (each.value for each in encoded.attributes)
    assert long.string_value == "é" * 4_095
    assert short.string_value == "x"
    assert many.array_value.values[0].string_value == "y" * 4_095
    assert encoded.status.message == "z" * 4_095


@pytest.mark.parametrize(
    "limits",
    [
        {"attribute_value_length_limit": 7},
        {"attribute_value_length_limit": 9, "span_attribute_value_length_limit": 7},
    ],
)
def test_the_limit_of_a_spans_text_goes_before_the_general_one(limits: dict[str, int]) -> None:
    encoded = encode_one(a_span(long="x" * 20), **limits)

    assert encoded.attributes[0].value.string_value == "x" * 7


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, 64),
        ({"attribute_count_limit": 3}, 3),
        ({"attribute_count_limit": 9, "span_attribute_count_limit": 3}, 3),
        ({"span_attribute_count_limit": 0}, 0),
    ],
)
def test_attributes_past_the_limit_are_left_out_and_counted(
    limits: dict[str, int], kept: int
) -> None:
    span = a_span(**{f"a{number}": number for number in range(70)})

    encoded = encode_one(span, **limits)

    assert [each.key for each in encoded.attributes] == [f"a{number}" for number in range(kept)]
    assert encoded.dropped_attributes_count == 70 - kept


def test_an_error_is_not_what_a_limit_leaves_out() -> None:
    span = a_span(**{f"a{number}": number for number in range(70)})
    span.error_type = "Rejected"

    assert "error.type" in {each.key for each in encode_one(span).attributes}


def test_an_attribute_that_cannot_be_encoded_is_told_without_its_value() -> None:
    attributes: dict[str, Any] = {"a": {"a customer's": "words"}}

    with pytest.raises(TypeError, match=r"^an attribute is a dict; make it text or a number$"):
        encode_one(Span("send", REF, 0, 1, 2, own=attributes))


def test_what_the_operator_says_of_a_process_is_added_and_replaces_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "all")

    said = resource(OWN, VERSION).attributes

    assert said["deployment.environment.name"] == "prod"
    assert said["service.name"] == "normalize"

from __future__ import annotations

import json
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from libs.validation import SentEvent, Violation
from services.ingest import rules

ID = "0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e"
OK = {"name": "cpu", "value": 1}


def parse(body: object, content_type: str = rules.JSON) -> list[SentEvent]:
    numbers = count()
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return rules.parse(encoded, content_type, lambda: f"new-{next(numbers)}", events_max=100)


def violations(body: object, content_type: str = rules.JSON) -> list[tuple[int, str]]:
    with pytest.raises(rules.Violations) as caught:
        parse(body, content_type)
    return [(violation.index, violation.field) for violation in caught.value.listed]


def test_one_event_may_stand_alone() -> None:
    assert parse(OK) == [SentEvent("cpu", 1.0, "new-0")]


def test_events_may_stand_in_a_list_and_keep_their_order() -> None:
    sent = parse([{**OK, "name": "b"}, {**OK, "name": "a"}])

    assert [(event.name, event.event_id) for event in sent] == [("b", "new-0"), ("a", "new-1")]


@pytest.mark.parametrize("between", [b"\n", b"\r\n", b"\n\n", b" \n"])
def test_events_may_stand_one_a_line(between: bytes) -> None:
    line = json.dumps(OK).encode()

    assert len(parse(line + between + line + between, rules.NDJSON)) == 2


def test_a_list_may_be_empty() -> None:
    assert parse([]) == []


def test_every_field_is_kept() -> None:
    full = {
        "event_id": ID.upper(),
        "name": "cpu",
        "value": -1.5,
        "unit": "%",
        "timestamp": 1767323045.5,
        "attributes": {"text": "ü\n", "int": 2**63 - 1, "float": 0.5, "no": False, "none": None},
    }

    assert msgspec.to_builtins(parse(full)[0]) == {**full, "event_id": ID}


def test_null_stands_for_a_field_that_is_not_there() -> None:
    (event,) = parse({**OK, "event_id": None, "unit": None, "timestamp": None})

    assert (event.event_id, event.unit, event.timestamp) == ("new-0", None, None)


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    assert parse(b'{"name":"a","name":"b","value":1}')[0].name == "b"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_the_type_may_carry_parameters(content_type: str) -> None:
    assert len(parse(OK, content_type)) == 1


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/json; charset=latin1", "multipart/form-data", "json"],
)
def test_another_type_is_not_supported(content_type: str) -> None:
    with pytest.raises(rules.Unsupported, match="the content type must be"):
        parse(OK, content_type)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is empty"),
        (b" \n ", "the body is empty"),
        (b'{"name":', "truncated"),
        (b'{"name":"a","value":NaN}', "byte 20"),
        (b'{"name":"a","value":01}', "byte 21"),
        (b'[{"name":"a","value":1},]', "trailing comma"),
        (b'{"name":"a","value":1} {"name":"a","value":1}', "trailing characters"),
        (b"{'name':'a'}", "object keys must be strings"),
        (b'{"name":"\\ud800","value":1}', "surrogate"),
        (b'{"name":"\n","value":1}', "invalid character"),
        (b'\xef\xbb\xbf{"name":"a","value":1}', "byte order mark"),
        (b'{"name":"\xff","value":1}', "not UTF-8"),
        (b'{"name":"a","value":' + b"9" * 5_000 + b"}", "out of range"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b'{"name":"a","value":1,"x":' + b'{"a":' * 500_000, "nested too deeply"),
        (b"null", "the body must be an event, or a list of events"),
        (b"7", "the body must be an event, or a list of events"),
    ],
)
def test_what_is_not_json_is_malformed(body: bytes, reason: str) -> None:
    with pytest.raises(rules.Malformed, match=reason):
        parse(body)


def test_a_broken_line_is_named() -> None:
    with pytest.raises(rules.Malformed, match="line 3 is not JSON"):
        parse(b'{"name":"a","value":1}\n\n{"name"}\n', rules.NDJSON)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": " ._"}, "name"),
        ({"name": "a\0"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "a\x7f"}, "name"),
        ({"name": 1}, "name"),
        ({"name": None}, "name"),
        ({"value": True}, "value"),
        ({"value": "1"}, "value"),
        ({"value": None}, "value"),
        ({"value": 10**400}, "value"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": "x"}, "event_id"),
        ({"event_id": ID.replace("-", "")}, "event_id"),
        ({"event_id": ID + "\n"}, "event_id"),
        ({"event_id": ID[:-1] + " "}, "event_id"),
        ({"event_id": ID[:-1] + "g"}, "event_id"),
        ({"event_id": "-" + ID[:-1]}, "event_id"),
        ({"event_id": 7}, "event_id"),
        ({"unit": "u" * 65}, "unit"),
        ({"unit": "\0"}, "unit"),
        ({"unit": 1}, "unit"),
        ({"timestamp": "2026-01-02T03:04:05"}, "timestamp"),
        ({"timestamp": "1969-01-02T03:04:05Z"}, "timestamp"),
        ({"timestamp": 1_767_323_045_000}, "timestamp"),
        ({"timestamp": True}, "timestamp"),
        ({"attributes": []}, "attributes"),
        ({"attributes": None}, "attributes"),
        ({"attributes": {str(number): 1 for number in range(65)}}, "attributes"),
        ({"attributes": {"": 1}}, "attributes."),
        ({"attributes": {"k" * 129: 1}}, "attributes." + "k" * 128),
        ({"attributes": {"a\0": 1}}, "attributes.a\0"),
        ({"attributes": {"a": "\0"}}, "attributes.a"),
        ({"attributes": {"a": "x" * 4_097}}, "attributes.a"),
        ({"attributes": {"a": [1]}}, "attributes.a"),
        ({"attributes": {"a": {"b": 1}}}, "attributes.a"),
        ({"attributes": {"a": 2**63}}, "attributes.a"),
        ({"attributes": {"a": -(2**63) - 1}}, "attributes.a"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_violation_is_named_with_its_place(change: dict[str, Any], field: str) -> None:
    assert violations([OK, {**OK, **change}]) == [(1, field)]


def test_a_number_beyond_floating_point_is_a_violation() -> None:
    assert violations(b'{"name":"a","value":1e999}') == [(0, "value")]
    assert violations(b'{"name":"a","value":1,"attributes":{"b":-1e999}}') == [(0, "attributes.b")]


def test_every_violation_of_a_request_is_named() -> None:
    bad = [{"value": 1}, 7, {**OK, "unit": 1, "event_id": "x"}, OK, {"name": "a"}]

    assert violations(bad) == [
        (0, "name"),
        (1, ""),
        (2, "event_id"),
        (2, "unit"),
        (4, "value"),
    ]


def test_violations_are_found_in_lines_too() -> None:
    assert violations(b'{"name":"a","value":1}\n{"name":"a"}', rules.NDJSON) == [(1, "value")]


def test_an_id_that_stands_twice_is_a_violation_whatever_its_case() -> None:
    same = [{**OK, "event_id": ID}, OK, {**OK, "event_id": ID.upper()}]

    with pytest.raises(rules.Violations) as caught:
        parse(same)

    assert caught.value.listed == [Violation(2, "event_id", "is also the id of event 0")]


def test_the_first_hundred_violations_are_listed_and_all_are_counted() -> None:
    with pytest.raises(rules.Violations) as caught:
        parse([{}] * 100)

    assert (len(caught.value.listed), caught.value.total) == (100, 200)


def test_a_text_that_only_looks_like_nul_passes() -> None:
    assert parse({**OK, "attributes": {"a": "\\u0000"}})[0].attributes == {"a": "\\u0000"}


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_bytes_end_in_events_or_in_a_refusal(body: bytes) -> None:
    for content_type in (rules.JSON, rules.NDJSON):
        try:
            parse(body, content_type)
        except (rules.Malformed, rules.Violations):
            continue

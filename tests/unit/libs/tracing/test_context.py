from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from libs.tracing.context import (
    Glass,
    SpanRef,
    adopt,
    format_glass,
    format_traceparent,
    is_sampled,
    parse_glass,
    parse_traceparent,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@given(
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    sampled=st.booleans(),
)
def test_a_traceparent_reads_back_as_it_was_written(
    trace_id: int, span_id: int, sampled: bool
) -> None:
    ref = SpanRef(trace_id, span_id, sampled)

    text = format_traceparent(ref)

    assert parse_traceparent(text) == ref
    assert is_sampled(text) is sampled


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
    ],
)
def test_what_the_w3c_forbids_is_no_context(text: str) -> None:
    assert parse_traceparent(text) is None


def test_a_later_version_may_carry_more() -> None:
    assert parse_traceparent(f"01-{TRACE}-{SPAN}-01-more") is not None


@given(root=st.integers(1, 2**64 - 1), received=st.integers(0, 2**53))
def test_our_member_is_found_among_those_of_others(root: int, received: int) -> None:
    glass = Glass(root, received)

    assert parse_glass(f"other=1, {format_glass(glass)},third=x") == glass


@pytest.mark.parametrize(
    "text",
    [
        "",
        "other=1",
        "ttg=",
        "ttg=xyz-1",
        "ttg=00ff",
        "ttg=00000000000000ff--5",
        "ttg=0000000000000000-5",
        f"ttg=00000000000000ff-{'9' * 17}",
        "ttg=00000000000000ff-1_0",
        "ttg= 0000000000000ff-10",
    ],
)
def test_a_tracestate_without_our_member_has_no_glass(text: str) -> None:
    assert parse_glass(text) is None


def test_a_foreign_context_goes_on_in_version_00_with_the_members_of_others() -> None:
    assert adopt(f"01-{TRACE}-{SPAN}-01-more", "a=1, b=2") == (f"00-{TRACE}-{SPAN}-01", "a=1,b=2")


def test_our_own_member_is_not_taken_over_from_a_foreign_record() -> None:
    _, tracestate = adopt(f"00-{TRACE}-{SPAN}-01", f"a=1,{format_glass(Glass(7, 8))},b=2")

    assert tracestate == "a=1,b=2"


@pytest.mark.parametrize("tracestate", ["a=é", "a=\x00", "a=" + "x" * 511])
def test_a_foreign_tracestate_beyond_the_w3cs_limits_is_dropped(tracestate: str) -> None:
    assert adopt(f"00-{TRACE}-{SPAN}-00", tracestate) == (f"00-{TRACE}-{SPAN}-00", "")


def test_without_a_valid_traceparent_nothing_is_taken_over() -> None:
    assert adopt("hello", "a=1") == ("", "")


def test_our_member_is_not_smuggled_in_behind_many_commas() -> None:
    _, tracestate = adopt(f"00-{TRACE}-{SPAN}-01", "," * 64 + f"a=1,{format_glass(Glass(7, 8))}")

    assert "ttg=" not in tracestate

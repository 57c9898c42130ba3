"""How a record is printed."""

from __future__ import annotations

from libs.kafka import Record
from tools.headers import VALUE_CHARS_MAX, line


def record(value: bytes | None, *headers: tuple[str, bytes]) -> Record:
    return Record("events.raw", 3, 42, 0, 0, 0, None, value, list(headers))


def test_headers_are_printed_as_names_and_values_beside_the_place() -> None:
    text = line(record(b"{}", ("traceparent", b"00-1-2-01"), ("tracestate", b"ttg=1")))

    assert text == "events.raw [3] at offset 42: traceparent=00-1-2-01,tracestate=ttg=1\n    {}"


def test_what_a_terminal_would_obey_is_made_visible() -> None:
    text = line(record(b"\x1b[2J\xff", ("h\x1b", b"\x07")))

    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert r"\x1b[2J\xff" in text


def test_a_long_value_is_cut_and_says_so() -> None:
    assert line(record(b"x" * 1_000)).endswith("x" * VALUE_CHARS_MAX + "…")


def test_a_tombstone_says_that_it_has_no_value() -> None:
    assert "(no value)" in line(record(None))

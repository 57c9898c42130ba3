"""What `ttg dlq` takes and says without a stack."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.tools.dlq.letters import batch, record
from tools.dlq import drawing, grouping
from tools.dlq.command import Selection, show
from tools.dlq.letter import of_record
from tools.dlq.reading import Found
from tools.errors import OperatorError


def drawn(found: Found) -> str:
    out = io.StringIO()
    for letter in found.letters:
        drawing.draw_letter(Console(file=out, width=100), letter, found, "http://jaeger")
    return out.getvalue()


def test_a_wrong_choice_is_refused_with_what_there_is() -> None:
    with pytest.raises(OperatorError, match="name normalize, decorate, sink"):
        Selection(stage="ingest").wanted()
    with pytest.raises(OperatorError, match="32 hexadecimal digits"):
        Selection(trace="4bf9").wanted()
    assert Selection(trace="A" * 32).wanted().trace == "a" * 32


def test_without_a_stack_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTG_STATE_DIR", str(tmp_path))

    with pytest.raises(OperatorError, match="run `make up`"):
        show("a" * 32)


def test_a_letter_in_full_has_its_events_its_headers_and_where_its_trace_is() -> None:
    letter = of_record(record(batch("a", "b"), ("other", b"kept")))

    text = drawn(Found([letter], {letter.keys[0]: "f" * 32}))

    assert f"http://jaeger/trace/{letter.trace_ids[0]}" in text
    assert f"{letter.keys[0][1]} of default: in the store, by trace {'f' * 32}" in text
    assert f"{letter.keys[1][1]} of default: not stored" in text
    assert "other: kept" in text
    assert '"name": "b"' in text


def test_what_a_terminal_would_obey_is_made_visible() -> None:
    letter = of_record(record(b"\x1b[2J[red]broken", ("h\x1b", b"\x07"), reason="\x1b[2J"))

    text = drawn(Found([letter]))

    assert "\x1b" not in text
    assert "\x07" not in text
    assert r"\x1b[2J[red]broken" in text


def test_where_the_database_is_away_it_does_not_say_that_an_event_is_missing() -> None:
    letter = of_record(record(batch("a")))

    text = drawn(Found([letter], unknown="the database does not answer"))

    assert "not stored" not in text
    assert f"{letter.keys[0][1]} of default: ?" in text


def test_a_reason_is_printed_as_it_is_and_not_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    found = Found([of_record(record(batch("a"), reason="no [bold] :x: here"))])

    drawing.draw_groups(drawing.console(), grouping.groups(found), found)

    assert "no [bold] :x: here" in capsys.readouterr().out

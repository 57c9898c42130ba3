"""Dead letters in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from libs import timestamps
from tools.dlq.grouping import Group
from tools.dlq.letter import Letter
from tools.dlq.reading import Found
from tools.dlq.resend import Resent

# Where output goes to a file, there is no width to ask for.
_FILE_WIDTH = 160
# Of a value that cannot be read, and of an attribute.
_VALUE_CHARS_MAX = 4_000
_LINES_MAX = 20


def console() -> Console:
    """Make the console that a command prints to; what others wrote is text to it, and no markup."""
    width = None if Console().is_terminal else _FILE_WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width)


def draw_groups(out: Console, groups: Sequence[Group], found: Found) -> None:
    """Print a row for each kind of letter, and then how to go on."""
    letters, events = sum(g.letters for g in groups), sum(g.events for g in groups)
    stored = "?" if found.unknown else f"{sum(g.stored for g in groups):,}"
    out.print(
        f"{counted(letters)}; {events:,} of their events can be read,"
        f" and {stored} of these are in the store by now\n"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("letters", "events", "stored"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("stage", "oldest", "newest"):
        table.add_column(name, no_wrap=True)
    table.add_column("reason, and the newest traces")
    for group in groups:
        table.add_row(
            f"{group.letters:,}",
            f"{group.events:,}",
            "?" if found.unknown else f"{group.stored:,}",
            group.stage,
            _second(group.oldest_us),
            _second(group.newest_us),
            "\n".join([visible(group.reason), *(f"  {one}" for one in group.trace_ids)]),
        )
    out.print(table)
    examples = [trace_id for group in groups for trace_id in group.trace_ids]
    if examples:
        out.print(f"\nOne in full: make dlq-show ID={examples[0]}", soft_wrap=True)


def draw_letter(out: Console, letter: Letter, found: Found, jaeger_url: str) -> None:
    """Print one letter in full."""
    out.print(Text(f"{letter.topic} [{letter.partition}] at offset {letter.offset}", style="bold"))
    for name, text in _facts(letter, found, jaeger_url):
        out.print(Text(f"  {name:<9} {text}"), soft_wrap=True)
    out.print("  headers")
    for name, value in letter.headers:
        out.print(Text(f"    {visible(name)}: {visible(_decoded(value))}"), soft_wrap=True)
    out.print(f"  {'events' if letter.batch else 'value'}")
    for line in _content(letter).splitlines():
        out.print(Text(f"    {visible(line)}"), soft_wrap=True)
    out.print()


def draw_resent(out: Console, resent: Resent, jaeger_url: str) -> None:
    """Print where letters went, some of many, and what was refused."""
    for prepared, ack in resent.sent[:_LINES_MAX]:
        traces = ", ".join(replay.id for replay in prepared.replays[:2])
        out.print(
            f"{prepared.letter.place} went to offset {ack.offset} as trace {traces}", soft_wrap=True
        )
    if len(resent.sent) > _LINES_MAX:
        out.print(f"and {len(resent.sent) - _LINES_MAX:,} more")
    for letter, why in resent.refused:
        out.print(Text(f"{letter.place} was not sent: {why}", style="red"), soft_wrap=True)
    if resent.sent:
        last = resent.sent[-1][0].replays[-1].id
        out.print(f"\nWhat became of it: make trace ID={last}, or {jaeger_url}/trace/{last}")


def draw_plan(out: Console, letters: Sequence[Letter]) -> None:
    """Print what a replay would send."""
    for letter in letters[:_LINES_MAX]:
        died = ", ".join(letter.trace_ids[:2]) or "no trace"
        out.print(
            Text(f"{letter.place} of {letter.stage} ({died}): {visible(letter.reason)}"),
            soft_wrap=True,
        )
    if len(letters) > _LINES_MAX:
        out.print(f"and {len(letters) - _LINES_MAX:,} more")


def counted(letters: int) -> str:
    """Say how many."""
    return f"{letters:,} dead letter{'' if letters == 1 else 's'}"


def visible(text: str) -> str:
    """Write text so that a terminal shows it and obeys none of it."""
    return "".join(
        char if char.isprintable() or char == " " else ascii(char)[1:-1] for char in text
    )


def _facts(letter: Letter, found: Found, jaeger_url: str) -> Iterator[tuple[str, str]]:
    yield "kept in", letter.kept_in
    yield "stage", letter.stage
    yield "reason", visible(letter.reason)
    yield "died", timestamps.from_us(letter.dead_us)
    for trace_id in letter.trace_ids:
        yield "trace", f"{jaeger_url}/trace/{trace_id}"
    if letter.whole_bytes:
        yield "cut", f"the beginning of {letter.whole_bytes:,} bytes; it cannot be replayed"
    for key in letter.keys:
        tenant, event_id = map(visible, key)
        by = found.stored.get(key)
        state = "?" if found.unknown else f"in the store, by trace {by}" if by else "not stored"
        yield "event", f"{event_id} of {tenant}: {state}"


def _content(letter: Letter) -> str:
    if letter.batch is None:
        text = _decoded(letter.value or b"")
        return text if len(text) <= _VALUE_CHARS_MAX else text[:_VALUE_CHARS_MAX] + "…"
    encoded = msgspec.json.encode(letter.batch.events)
    return msgspec.json.format(encoded, indent=2).decode()


def _decoded(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "backslashreplace")


def _second(us: int) -> str:
    return timestamps.from_us(us)[:19] + "Z"

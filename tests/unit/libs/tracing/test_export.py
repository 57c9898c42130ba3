"""The outbox: nothing waits for it, and every span is accounted for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from opentelemetry.trace import SpanKind

from libs.tracing import export
from libs.tracing.context import SpanRef
from libs.tracing.export import Outbox, Tally, TooLarge
from libs.tracing.policy import Policy
from libs.tracing.settings import ExportSettings
from libs.tracing.spans import Span

FLUSH_LIMIT_S = 1.0


def span(number: int) -> Span:
    return Span(f"span {number}", SpanRef(1, number + 1, is_sampled=True), 0, 1_000, 2_000)


SPANS = [span(number) for number in range(40)]


class FakeSender:
    """Takes batches, unless it is told to refuse or to hang."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.is_taking = True
        self.check: Callable[[Sequence[Span]], None] = lambda _: None
        self.going_on = threading.Event()
        self.going_on.set()
        self.is_called = threading.Event()
        self.obeys = True

    def send(self, spans: Sequence[Span]) -> bool:
        self.is_called.set()
        self.going_on.wait(10)
        self.check(spans)
        if self.is_taking:
            self.batches.append([span.name for span in spans])
        return self.is_taking

    def close(self) -> None:
        if self.obeys:
            self.is_taking = False
            self.going_on.set()

    def hang(self) -> None:
        self.going_on.clear()


@pytest.fixture
def sender() -> Generator[FakeSender]:
    sender = FakeSender()
    yield sender
    sender.going_on.set()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    capture = structlog.testing.LogCapture()
    monkeypatch.setattr(
        export, "_log", structlog.wrap_logger(None, [capture], structlog.BoundLogger)
    )
    return capture.entries


def settings(**values: int) -> ExportSettings:
    wishes = {"bsp_schedule_delay": 1, "bsp_max_export_batch_size": 10, **values}
    return ExportSettings.model_validate(wishes)


@contextmanager
def started(
    sender: FakeSender, *, now_s: Callable[[], float] = time.monotonic, **values: int
) -> Generator[Outbox]:
    outbox = Outbox(sender, Policy(), settings(**values), now_s)
    yield outbox
    outbox.stop(FLUSH_LIMIT_S)


def emit_while_hanging(outbox: Outbox, sender: FakeSender) -> None:
    sender.hang()
    outbox.emit(SPANS[0])
    assert sender.is_called.wait(5)
    for each in SPANS[1:]:
        outbox.emit(each)


def test_spans_leave_in_order_and_in_bounded_batches(sender: FakeSender) -> None:
    with started(sender) as outbox:
        for each in SPANS:
            outbox.emit(each)

    assert [name for batch in sender.batches for name in batch] == [s.name for s in SPANS]
    assert max(map(len, sender.batches)) <= 10
    assert outbox.tally == Tally(exported=40)


def test_a_few_spans_do_not_wait_for_a_full_batch(sender: FakeSender) -> None:
    with started(sender) as outbox:
        outbox.emit(SPANS[0])

        assert sender.is_called.wait(5)


def test_what_finds_the_queue_full_is_dropped_and_counted(sender: FakeSender) -> None:
    with started(sender, bsp_max_queue_size=16) as outbox:
        emit_while_hanging(outbox, sender)
        assert outbox.tally == Tally(dropped=23)
        sender.going_on.set()

    assert outbox.tally == Tally(exported=17, dropped=23)


def test_what_the_collector_does_not_take_is_counted_as_failed(sender: FakeSender) -> None:
    sender.is_taking = False
    with started(sender) as outbox:
        for each in SPANS:
            outbox.emit(each)

    assert outbox.tally == Tally(failed=40)


def test_a_batch_that_is_too_large_is_sent_in_parts(sender: FakeSender) -> None:
    def check(spans: Sequence[Span]) -> None:
        if len(spans) > 3:
            raise TooLarge

    sender.check = check
    with started(sender) as outbox:
        for each in SPANS:
            outbox.emit(each)

    assert [name for batch in sender.batches for name in batch] == [s.name for s in SPANS]
    assert outbox.tally == Tally(exported=40)


@pytest.mark.parametrize("error", [ValueError, TypeError, OverflowError])
def test_a_span_that_cannot_be_sent_costs_only_itself(
    sender: FakeSender, lines: list[Any], error: type[Exception]
) -> None:
    def check(spans: Sequence[Span]) -> None:
        if SPANS[17] in spans:
            raise error("a customer's words")

    sender.check = check
    with started(sender) as outbox:
        for each in SPANS:
            outbox.emit(each)

    assert outbox.tally == Tally(exported=39, failed=1)
    assert lines[-1]["reason"] == f"{error.__name__} in 'span 17'"


def test_nothing_waits_while_the_collector_hangs(sender: FakeSender) -> None:
    with started(sender, bsp_max_queue_size=1_000) as outbox:
        sender.hang()
        begun_s = time.monotonic()
        for _ in range(500):
            for each in SPANS:
                outbox.emit(each)
        took_s = time.monotonic() - begun_s

    assert took_s < 1
    assert outbox.tally.lost == 20_000


def test_a_stop_ends_a_call_that_hangs_and_counts_what_is_left(sender: FakeSender) -> None:
    with started(sender) as outbox:
        emit_while_hanging(outbox, sender)
        begun_s = time.monotonic()

    assert time.monotonic() - begun_s < FLUSH_LIMIT_S + 0.5
    assert outbox.tally == Tally(failed=1, dropped=39)


def test_a_stop_is_in_time_also_when_the_call_cannot_be_ended(sender: FakeSender) -> None:
    sender.obeys = False
    with started(sender) as outbox:
        emit_while_hanging(outbox, sender)
        begun_s = time.monotonic()

    assert time.monotonic() - begun_s < FLUSH_LIMIT_S + 0.5
    assert outbox.tally == Tally(failed=1, dropped=39)


def test_what_comes_after_the_stop_is_dropped(sender: FakeSender) -> None:
    with started(sender) as outbox:
        pass

    outbox.emit(SPANS[0])

    assert outbox.tally == Tally(dropped=1)


def test_the_stop_says_what_was_exported(sender: FakeSender, lines: list[Any]) -> None:
    with started(sender) as outbox:
        outbox.emit(SPANS[0])

    assert [line["event"] for line in lines] == ["spans exported"]
    assert lines[0]["exported"] == 1


def test_losses_are_told_once_in_a_while_and_at_the_end(
    sender: FakeSender, lines: list[Any]
) -> None:
    clock = [100.0]
    sender.is_taking = False
    with started(sender, now_s=lambda: clock[0]) as outbox:
        outbox.emit(SPANS[0])
        wait_until(lambda: len(lines) == 1)
        outbox.emit(SPANS[1])
        wait_until(lambda: outbox.tally.failed == 2)
        clock[0] += 11
        wait_until(lambda: len(lines) == 2)

    assert [line["failed"] for line in lines] == [1, 2, 2]
    assert {line["event"] for line in lines} == {"spans lost"}


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_a_failure_is_said_in_the_log_with_the_ids_of_its_span(
    sender: FakeSender, lines: list[Any]
) -> None:
    failed = span(7)
    failed.kind, failed.error_type, failed.error_text = SpanKind.PRODUCER, "timeout", "no ack"
    outbox = Outbox(sender, Policy(), settings())

    outbox.emit(failed)
    outbox.emit(span(8))
    outbox.stop(FLUSH_LIMIT_S)

    (line,) = [line for line in lines if line["event"] == "messaging.send.exception"]
    assert (line["trace_id"], line["span_id"]) == (f"{1:032x}", f"{8:016x}")
    assert (line["exception_type"], line["exception_message"]) == ("timeout", "no ack")

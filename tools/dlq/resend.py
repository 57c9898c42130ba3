"""Sends dead letters again, to the stage that gave them up: same ids, a new trace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from libs import kafka, tracing
from libs.clock import now_us
from libs.errors import Rejected
from libs.events import Origin, RawBatch, encode
from libs.kafka import Ack, Headers, KafkaSettings, Outgoing, Producer
from libs.stage import letter_headers
from libs.tracing import Replay, names
from tools.dlq.letter import AnyBatch, Letter

CLIENT_ID = f"{names.OPERATOR_SERVICE}-0"
# What one Ctrl-C may leave unreported, and what waits for an ack at a time.
_AT_ONCE = 100
# An operator waits for it; a stage has more patience.
_DELIVERY_TIMEOUT_S = 30.0
_OURS = (names.TRACEPARENT, names.TRACESTATE, names.TRAIL, names.REPLAY_OF)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A letter as the record it becomes, with a new trace for each origin in it."""

    letter: Letter
    record: Outgoing
    replays: list[Replay]


@dataclass(slots=True)
class Resent:
    """What became of the letters so far; `refused` says of each why."""

    sent: list[tuple[Prepared, Ack]] = field(default_factory=list[tuple[Prepared, Ack]])
    refused: list[tuple[Letter, str]] = field(default_factory=list[tuple[Letter, str]])


def prepare(letter: Letter, handed_us: int, policy: tracing.Policy) -> Prepared:
    """Make the record. Raises `Rejected` if only the beginning of the value was kept."""
    if letter.whole_bytes:
        raise Rejected(
            f"only the first {len(letter.value or b''):,} of its {letter.whole_bytes:,} bytes were"
            f" kept; the whole may still be in {letter.topic}, at its offset"
        )
    if letter.batch is None:
        return _prepare_unread(letter, handed_us, policy)
    origins = letter.batch.origins
    replays = [tracing.begin_replay(o.traceparent, o.tracestate, handed_us) for o in origins]
    again = [_again(origin, one) for origin, one in zip(origins, replays, strict=True)]
    batch = msgspec.structs.replace(_timed(letter.batch), origins=again)
    headers = tracing.write_headers(again, tracing.Trail().then(_stop(handed_us)), policy)
    record = Outgoing(letter.topic, letter.partition, encode(batch), headers, letter.key)
    return Prepared(letter, record, replays)


def _prepare_unread(letter: Letter, handed_us: int, policy: tracing.Policy) -> Prepared:
    """Send the value as it is, in a trace that begins here; its own headers go with it."""
    died = letter.carried
    replay = tracing.begin_replay(died.traceparent, died.tracestate, handed_us, has_root=False)
    others = [pair for pair in letter.headers if not _is_ours(pair[0])]
    headers: Headers = [
        (names.TRACEPARENT, replay.traceparent.encode()),
        (names.REPLAY_OF, letter.place.encode()),
        *others,
    ]
    if policy.is_contrib:
        headers = tracing.without_context(headers)
    record = Outgoing(letter.topic, letter.partition, letter.value, headers, letter.key)
    return Prepared(letter, record, [replay])


async def resend(
    letters: Sequence[Letter],
    servers: str,
    emitter: tracing.Emitter,
    resent: Resent,
    show: Callable[[str], None],
) -> None:
    """Send letters in their order, and note in `resent` what became of each.

    Raises `Unavailable` if Kafka does not answer; what had no ack by then may have been sent.
    """
    settings = KafkaSettings(bootstrap_servers=servers, delivery_timeout_s=_DELIVERY_TIMEOUT_S)
    async with kafka.producer(settings, CLIENT_ID) as producer:
        await send(letters, producer, emitter, resent, show)


async def send(
    letters: Sequence[Letter],
    producer: Producer,
    emitter: tracing.Emitter,
    resent: Resent,
    show: Callable[[str], None],
) -> None:
    """Do what `resend` does, by this producer."""
    for first in range(0, len(letters), _AT_ONCE):
        some = letters[first : first + _AT_ONCE]
        await asyncio.gather(*(_send(one, producer, emitter, resent) for one in some))
        show(f"{first + len(some):,} of {len(letters):,}")


async def _send(
    letter: Letter, producer: Producer, emitter: tracing.Emitter, resent: Resent
) -> None:
    handed_us = now_us()
    try:
        prepared = prepare(letter, handed_us, emitter.policy)
        begun = prepared.replays[0]
        context = tracing.Carried(begun.traceparent, begun.tracestate, tracing.Trail())
        with tracing.sending(emitter.policy, context):
            acked = await producer.send(prepared.record)
        ack = await acked
    except Rejected as error:
        resent.refused.append((letter, error.reason))
        return
    resent.sent.append((prepared, ack))
    written = tracing.Written(
        topic=ack.topic,
        partition=ack.partition,
        offset=ack.offset,
        client_id=CLIENT_ID,
        handed_us=handed_us,
        acked_us=ack.acked_us,
        events=len(letter.batch.events) if letter.batch else 0,
        record_us=handed_us,
        drained_us=ack.drained_us,
    )
    for replay in prepared.replays:
        tracing.report_replay(emitter, replay, written, letter.reason)


def _again(origin: Origin, replay: Replay) -> Origin:
    """Make of an origin a request that begins now, of which this is all there is."""
    return msgspec.structs.replace(
        origin,
        received_us=replay.received_us,
        admitted_us=0,
        total=origin.count,
        dead=0,
        is_last=True,
        traceparent=replay.traceparent,
        tracestate=replay.tracestate,
    )


def _timed(batch: AnyBatch) -> AnyBatch:
    """Give events without a time the one they would have got: when they were received first."""
    if not isinstance(batch, RawBatch):
        return batch
    events = list(batch.events)
    for origin in batch.origins:
        for place in range(origin.first, origin.first + origin.count):
            if events[place].timestamp is None:
                received_s = origin.received_us / 1_000_000
                events[place] = msgspec.structs.replace(events[place], timestamp=received_s)
    return msgspec.structs.replace(batch, events=events)


def _stop(handed_us: int) -> tracing.Stop:
    """Begin a trail here, as the door does."""
    return tracing.Stop(
        names.OPERATOR_SERVICE, 0, tracing.host_id(), "", handed_us, handed_us, handed_us, handed_us
    )


def _is_ours(header: str) -> bool:
    return header.lower() in _OURS or header.startswith(letter_headers.PREFIX)

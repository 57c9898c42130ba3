"""The HTTP door: who may come in, what is read, and what is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import msgspec

from libs import tracing
from libs.clock import now_us
from libs.errors import NotSent, Rejected, Unavailable
from libs.http import Receive, Scope, Send
from libs.kafka import Ack
from libs.keys import digest, read_keys
from libs.validation import SentEvent
from services.ingest import rules
from services.ingest.aggregate import Aggregator, Held, Intake, cut
from services.ingest.quota import OverQuota, Quotas
from services.ingest.rounds import Rounds
from services.ingest.settings import Settings

EVENTS_PATH = "/v1/events"
_ORDERING_KEY_BYTES_MAX = 256


class Refused(Exception):
    """A request that is answered without being kept; `body` says why and what to do."""

    def __init__(self, status: int, body: Mapping[str, object], **headers: str) -> None:
        super().__init__(body)
        self.status = status
        self.body = body
        self.headers = headers


class Door:
    """The ASGI callable of the hot path."""

    def __init__(
        self,
        aggregator: Aggregator,
        sampler: tracing.Sampler,
        emitter: tracing.Emitter,
        settings: Settings,
        new_event_id: Callable[[], str],
    ) -> None:
        self._aggregator = aggregator
        self._sampler = sampler
        self._emitter = emitter
        self._settings = settings
        self._new_event_id = new_event_id
        self._tenants = read_keys(settings.api_keys)
        self._quotas = Quotas(settings, time.monotonic)
        self._rounds = Rounds()
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        received_us = now_us()
        assert scope["type"] == "http"
        if scope["path"] == EVENTS_PATH:
            self._in_flight += 1
            try:
                await self._events(scope, receive, send, received_us)
            finally:
                self._in_flight -= 1
        elif scope["path"] in ("/live", "/ready"):
            await self._health(scope["path"], send)
        else:
            answer = {"error": f"there is no {scope['path']}; send events to POST {EVENTS_PATH}"}
            await _answer(send, 404, answer)

    async def _health(self, path: str, send: Send) -> None:
        try:
            if path == "/ready":
                self._aggregator.check_ready()
        except Unavailable as error:
            await _answer(send, 503, {"status": "not ready", "reason": str(error)})
        else:
            await _answer(send, 200, {"status": "ok"})

    async def _events(self, scope: Scope, receive: Receive, send: Send, received_us: int) -> None:
        headers = dict(scope["headers"])
        caller = tracing.parse_traceparent(headers.get(b"traceparent", b"").decode("latin-1"))
        request = tracing.begin(
            received_us,
            is_sampled=False,
            caller=caller,
            has_send_spans=not self._emitter.policy.is_contrib,
        )
        intake: Intake | None = None
        status = 202
        try:
            tenant = self._check(scope["method"], headers)
            self._check_load(tenant)
            intake = await self._taken(request, tenant, headers, receive)
            acks = await self._aggregator.add(intake) if intake.parts else []
        except Refused as refused:
            status = refused.status
            answer = {**refused.body, "trace_id": request.id}
            await _answer(send, refused.status, answer, refused.headers)
        except (Unavailable, asyncio.CancelledError) as error:
            # Cancelled when the drain cannot wait any longer.
            status = 503
            request = intake.request if intake else request
            await self._answer_unavailable(send, request, error)
            if intake is not None and intake.send_ids:
                not_sent = str(error) if isinstance(error, NotSent) else ""
                self._report(intake, 503, [], not_sent)
        else:
            await self._answer_accepted(send, intake)
            request = intake.request
            self._report(intake, 202, acks)
        took_us = max(now_us() - received_us, 0)
        self._emitter.meters.answered(status, took_us, request.exemplar)

    async def _answer_accepted(self, send: Send, intake: Intake) -> None:
        request = intake.request
        answer = {
            "accepted": intake.total,
            "trace_id": request.id,
            "sampled": request.is_sampled,
        }
        await _answer(send, 202, answer)

    async def _answer_unavailable(
        self, send: Send, request: tracing.Request, error: BaseException
    ) -> None:
        reason = str(error) if isinstance(error, Unavailable) else "the door is stopping"
        answer = {"error": f"{reason}; send the same events again later", "trace_id": request.id}
        await _answer(send, 503, answer, {"Retry-After": str(self._settings.retry_after_s)})

    def _check(self, method: str, headers: dict[bytes, bytes]) -> str:
        """Check all that can be known before the body is read; gives the tenant."""
        if method != "POST":
            raise Refused(405, {"error": "events are sent by POST"}, Allow="POST")
        if b"upgrade" in headers:
            # The server's parser stops at such a head, and would lose the body.
            answer = {"error": "only HTTP/1.1 is spoken here; send it without an Upgrade header"}
            raise Refused(400, answer, Connection="close")
        tenant = self._tenant(headers)
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
        if encoding.lower() != "identity":
            raise Refused(415, {"error": f"the content encoding {encoding!r} is not supported"})
        if len(headers.get(b"ordering-key", b"")) > _ORDERING_KEY_BYTES_MAX:
            limit = _ORDERING_KEY_BYTES_MAX
            raise Refused(400, {"error": f"the Ordering-Key is longer than {limit} bytes"})
        return tenant

    def _check_load(self, tenant: str) -> None:
        """Turn away, before its body is read, what is too much for the door or for its tenant."""
        self._aggregator.check_room(0)
        if self._in_flight > self._settings.requests_in_flight_max:
            raise Unavailable("the door has too many requests in flight")
        try:
            self._quotas.check(tenant)
        except OverQuota as error:
            answer = {"error": f"{error}; send the same events again later"}
            raise Refused(429, answer, **{"Retry-After": str(error.retry_after_s)}) from error

    def _tenant(self, headers: dict[bytes, bytes]) -> str:
        key = headers.get(b"api-key")
        if key is None:
            raise Refused(401, {"error": "the Api-Key header is missing"})
        tenant = self._tenants.get(digest(key))
        if tenant is None:
            raise Refused(401, {"error": "the Api-Key is not known"})
        return tenant

    async def _taken(
        self,
        request: tracing.Request,
        tenant: str,
        headers: dict[bytes, bytes],
        receive: Receive,
    ) -> Intake:
        """Read and check a body, which counts as buffered until what is left is the intake."""
        with self._aggregator.reading() as held:
            body = await self._body(headers, receive, held)
            return await self._admit(request, tenant, headers, body)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive, held: Held) -> bytes:
        limit = self._settings.body_bytes_max
        length = headers.get(b"content-length", b"")
        declared_bytes = int(length) if length.isdigit() else 0
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                body = None if declared_bytes > limit else await self._read(receive, limit, held)
        except TimeoutError as error:
            raise Refused(408, {"error": "the body did not come in time"}) from error
        if body is None:
            reason = f"the body is larger than {limit} bytes; send fewer events a request"
            # The server drops what still comes, so that the client gets to see the answer; one that
            # asks whether it may send has not begun to.
            closing = {"Connection": "close"} if b"expect" in headers else {}
            raise Refused(413, {"error": reason}, **closing)
        return body

    async def _read(self, receive: Receive, limit_bytes: int, held: Held) -> bytes | None:
        """Read a body; `None` as soon as it is larger than the limit."""
        chunks: list[bytes] = []
        size_bytes = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, {"error": "the client left before the end of the body"})
            part = message.get("body", b"")
            size_bytes += len(part)
            if size_bytes > limit_bytes:
                return None
            held.add(len(part))
            chunks.append(part)
            more = message.get("more_body", False)
        return b"".join(chunks)

    async def _admit(
        self,
        request: tracing.Request,
        tenant: str,
        headers: dict[bytes, bytes],
        body: bytes,
    ) -> Intake:
        self._quotas.take(tenant, requests=1, bytes=len(body))
        async with self._rounds.turn():
            events = self._parsed(body, headers.get(b"content-type", b"").decode("latin-1"))
            try:
                parts = cut(events, self._settings)
            except Rejected as error:
                raise Refused(413, {"error": error.reason}) from error
        self._quotas.take(tenant, events=len(events))
        # A request without events never reaches the glass, so it has no waterfall.
        if parts:
            tracestate = headers.get(b"tracestate", b"").decode("latin-1")
            request = self._sampler.sample(request, tenant, tracestate)
        key = headers.get(b"ordering-key")
        return Intake(request, tenant, len(events), parts, key, body_bytes=len(body))

    def _parsed(self, body: bytes, content_type: str) -> list[SentEvent]:
        try:
            return rules.parse(
                body, content_type, self._new_event_id, self._settings.request_events_max
            )
        except rules.TooMany as error:
            raise Refused(413, {"error": str(error)}) from error
        except rules.Unsupported as error:
            raise Refused(415, {"error": str(error)}) from error
        except rules.Malformed as error:
            raise Refused(400, {"error": str(error)}) from error
        except rules.Violations as error:
            answer = {
                "error": f"nothing was accepted: {error.total} violations",
                "violations": error.listed,
            }
            raise Refused(422, answer) from error

    def _report(self, intake: Intake, status: int, acks: list[Ack], not_sent: str = "") -> None:
        """Emit the first spans of a sampled waterfall; without acks the sends have failed.

        With the reason why nothing was sent, it ends here.
        """
        if not intake.request.is_sampled:
            return
        ended_us = now_us()
        answer = tracing.Answer(
            status=status,
            ended_us=ended_us,
            body_bytes=intake.body_bytes,
            events=intake.total,
            tenant=intake.tenant,
            error_type="" if status == 202 else str(status),
        )
        error_type = "" if acks else "not_sent" if not_sent else "timeout"
        sends = [
            (
                send_id,
                tracing.Written(
                    topic=self._aggregator.topic,
                    partition=acks[index].partition if acks else tracing.UNKNOWN,
                    offset=acks[index].offset if acks else tracing.UNKNOWN,
                    client_id=f"ingest-{self._settings.replica}",
                    handed_us=intake.handed_us,
                    acked_us=acks[index].acked_us if acks else ended_us,
                    events=part.count,
                    error_type=error_type,
                    record_us=acks[index].handed_us if acks else 0,
                    drained_us=acks[index].drained_us if acks else 0,
                ),
            )
            for index, (send_id, part) in enumerate(zip(intake.send_ids, intake.parts, strict=True))
        ]
        tracing.report_request(self._emitter, intake.request, answer, sends)
        if not_sent:
            tracing.report_not_sent(self._emitter, intake.request, answer, not_sent)


async def _answer(
    send: Send, status: int, body: object, headers: dict[str, str] | None = None
) -> None:
    encoded = msgspec.json.encode(body)
    own = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(encoded))]
    more = [(name.lower().encode(), text.encode()) for name, text in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *more]})
    await send({"type": "http.response.body", "body": encoded})

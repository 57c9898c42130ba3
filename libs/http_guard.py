# pyright: basic
"""What a client may take of an HTTP server: time, bytes, connections; past it, it is told so.

uvicorn waits for ever for a request that does not come, and takes a head of any size. This rests on
names that its protocol class does not promise; `tests/contract/test_http_guard.py` fails if they
move.
"""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, ClassVar, cast

import httptools
import msgspec
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEALTH_PATHS = frozenset((b"/live", b"/ready"))
SWEEP_S = 0.5
# What an answered client still sends is read and dropped for so long: cut off, it would not get to
# see the answer.
_LINGER_S = 2.0
# Files and sockets of the process that are no client's.
_RESERVED_FILES = 64
# Around a name and a value: `: ` and the end of the line.
_FIELD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server; each of them has its answer."""

    # What comes on a connection past it gets 503, and is not read further than its head. They bound
    # how much can be waiting to be read, and with it how long an accepted request takes.
    connections_max: int = 1_024
    # Whole head and whole body, each from its beginning: 408.
    head_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    # Nothing asked, or the answer not taken: closed.
    idle_timeout_s: float = 75.0
    write_timeout_s: float = 30.0
    # 431, and 414 for the first line.
    head_bytes_max: int = 32_768
    head_fields_max: int = 100
    url_bytes_max: int = 8_192
    # Sizes of chunks, their extensions and trailers, all of one body: 400.
    framing_bytes_max: int = 262_144
    # Of a body whose answer is there already; past it the connection is cut.
    discarded_bytes_max: int = 33_554_432
    # `Connection: close` on the answer to the last of them.
    connection_requests_max: int = 100_000
    # What `Retry-After` says.
    retry_after_s: int = 2


class Phase(Enum):
    """What a connection is waiting for."""

    SILENT = "its first request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    WORK = "our answer"
    IDLE = "its next request"
    LINGER = "the client's end"


class Refusal(Exception):
    """A request that cannot be taken; raised inside the parser's callbacks."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Gate:
    """What all connections of one server share."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        # Past this nobody is even told: the process has no more files.
        self.sockets_max = max(_files_for(2 * limits.connections_max) - _RESERVED_FILES, 2)
        self.connections_max = min(limits.connections_max, self.sockets_max // 2)
        if self.connections_max < limits.connections_max:
            structlog.get_logger().warning(
                "too few files for the connections; raise the hard limit (ulimit -Hn)",
                connections=self.connections_max,
                connections_max=limits.connections_max,
            )
        # Answers end their connections; health may say so meanwhile.
        self.is_draining = False
        # Nothing new is taken.
        self.is_closed = False
        self.waits_s = {
            Phase.SILENT: limits.head_timeout_s,
            Phase.HEAD: limits.head_timeout_s,
            Phase.BODY: limits.body_timeout_s,
            Phase.IDLE: limits.idle_timeout_s,
            Phase.LINGER: _LINGER_S,
        }

    def refusal(self, status: HTTPStatus, reason: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """Write an answer that is the last on its connection: its body and its headers."""
        body = msgspec.json.encode({"error": reason})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", b"%d" % self.limits.retry_after_s))
        return body, headers


def _files_for(sockets: int) -> int:
    """Let the process open as many files as the sockets need, or may have; gives its limit."""
    wanted = sockets + _RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft >= wanted:
        return soft
    may_have = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (may_have, hard))
    return may_have


class _Answering:
    """The transport as an answer sees it: its end waits for the end of the request."""

    __slots__ = ("_connection",)

    def __init__(self, connection: GuardedProtocol) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        return self._connection.transport.is_closing()

    def close(self) -> None:
        self._connection.end()


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol within limits; `on_…` are the parser's callbacks."""

    gate: ClassVar[Gate]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._is_over = False
        self._is_ending = False
        self._answering = cast("asyncio.Transport", _Answering(self))
        self._requests = 0
        self._head_bytes = 0
        self._head_raw_bytes = 0
        self._framing_bytes = 0
        self._discarded_bytes = 0
        self._enter(Phase.SILENT)
        # Since when the client has not taken what is written; 0 if it does.
        self._stalled_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a connection, unless there are no files left."""
        super().connection_made(transport)
        self._is_over = len(self.connections) > self.gate.connections_max
        if len(self.connections) > self.gate.sockets_max:
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._unset_keepalive_if_required()
        if self._phase is Phase.LINGER:
            return
        assert self.parser is not None
        before, message = self._phase, self._requests
        self._framing_bytes += len(data)
        try:
            self.parser.feed_data(data)
            if self._phase is before and message == self._requests:
                self._check_raw(len(data))
        except httptools.HttpParserUpgrade:
            # The application answers it, as any other.
            pass
        except (httptools.HttpParserError, Refusal) as error:
            refusal = error if isinstance(error, Refusal) else error.__context__
            if isinstance(refusal, Refusal):
                self._refuse(refusal.status, refusal.reason)
            else:
                self._refuse(HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1 as it must be written")

    def _check_raw(self, size_bytes: int) -> None:
        """Count what the parser holds or swallows, within one head or one body."""
        if self._phase is Phase.HEAD:
            # What it holds of a field is not in `_head_bytes` yet, what it has told is in both.
            self._head_raw_bytes += size_bytes
            self._check_head()
        elif self._framing_bytes > self.gate.limits.framing_bytes_max:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is chunked into too little in too much")

    def _check_head(self) -> None:
        if max(self._head_bytes, self._head_raw_bytes) > self.gate.limits.head_bytes_max:
            limit = self.gate.limits.head_bytes_max
            raise Refusal(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head is larger than {limit} bytes"
            )

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_bytes = self._head_raw_bytes = 0
        self._enter(Phase.HEAD)

    def on_url(self, url: bytes) -> None:
        """Take a part of the path."""
        super().on_url(url)
        self._head_bytes += len(url)
        if len(self.url) > self.gate.limits.url_bytes_max:
            limit = self.gate.limits.url_bytes_max
            raise Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, f"the path is longer than {limit} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers come this way, too, and are dropped."""
        if self._phase is not Phase.HEAD:
            return
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value) + _FIELD_BYTES
        if len(self.headers) > self.gate.limits.head_fields_max:
            limit = self.gate.limits.head_fields_max
            raise Refusal(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"there are more than {limit} headers"
            )

    def on_headers_complete(self) -> None:
        """Start the application on a request, or turn it away."""
        assert self.parser is not None
        self._framing_bytes = self._discarded_bytes = 0
        self._requests += 1
        self._check_head()
        if self.parser.get_http_version() == "1.1":
            hosts = [name for name, _ in self.headers].count(b"host")
            if hosts != 1:
                raise Refusal(HTTPStatus.BAD_REQUEST, f"there are {hosts} Host headers, not one")
        if (self.gate.is_closed or self._is_over) and self.url not in HEALTH_PATHS:
            reason = "the server is stopping" if self.gate.is_closed else "too many connections"
            text = f"{reason}; send the request again later"
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, text)
        self._enter(Phase.BODY)
        super().on_headers_complete()
        self.cycle.transport = self._answering
        is_last = self._requests >= self.gate.limits.connection_requests_max
        if is_last or self.gate.is_draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._framing_bytes -= len(body)
        super().on_body(body)
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > self.gate.limits.discarded_bytes_max:
                self.transport.close()

    def on_message_complete(self) -> None:
        """End a request."""
        super().on_message_complete()
        if self._is_ending:
            self.transport.close()
        self._enter(Phase.IDLE if self.cycle.response_complete else Phase.WORK)

    def on_response_complete(self) -> None:
        """End an answer."""
        super().on_response_complete()
        if self._phase is Phase.WORK and self.cycle.response_complete:
            self._enter(Phase.IDLE)

    def pause_writing(self) -> None:
        """Note that the client does not take its answers."""
        self._stalled_s = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it does again."""
        self._stalled_s = 0.0
        super().resume_writing()

    def shutdown(self) -> None:
        """End the connection after what is on its way, which gets an answer."""
        if self._phase in (Phase.HEAD, Phase.BODY, Phase.WORK):
            if self.cycle is not None:
                self.cycle.keep_alive = False
        else:
            self.transport.close()

    def end(self) -> None:
        """Close after an answer; a client cut off while it sends would not get to see it."""
        if self._phase is Phase.BODY and self.cycle.response_complete and not self.pipeline:
            self._is_ending = True
        else:
            self.transport.close()

    def sweep(self, now_s: float) -> None:
        """End the connection if its client took too long."""
        if self._stalled_s and now_s - self._stalled_s > self.gate.limits.write_timeout_s:
            self.transport.abort()
        limit_s = self.gate.waits_s.get(self._phase)
        if limit_s is None or now_s - self._since_s < limit_s:
            return
        if self._phase in (Phase.HEAD, Phase.BODY):
            reason = f"{self._phase.value} did not come within {limit_s:g} s"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, reason)
        else:
            self.transport.close()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since_s = self.loop.time()

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """Give the last answer of the connection, if it is this request's turn to get one."""
        if self.transport.is_closing():
            return
        if not self._may_answer():
            self.transport.close()
            return
        body, headers = self.gate.refusal(status, reason)
        lines = [b"HTTP/1.1 %d %s" % (status.value, status.phrase.encode())]
        lines += [name + b": " + text for name, text in headers]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self._enter(Phase.LINGER)
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            # Reading is what there is too much of.
            self.transport.pause_reading()

    def _may_answer(self) -> bool:
        """Whether an answer written now would be taken for the answer to this request."""
        if self.pipeline:
            return False
        if self.cycle is None or self.cycle.response_complete:
            # A body that comes too slowly may have had its answer.
            return self._phase is not Phase.BODY or self.cycle is None
        return self._phase is Phase.BODY and not self.cycle.response_started


def guarded(gate: Gate) -> type[GuardedProtocol]:
    """Make the protocol class of one server."""
    return type("Guarded", (GuardedProtocol,), {"gate": gate})


async def sweep_for_ever(state: ServerState) -> None:
    """Look after the connections of one server."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        now_s = loop.time()
        for connection in list(state.connections):
            cast("GuardedProtocol", connection).sweep(now_s)

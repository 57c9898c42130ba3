"""An HTTP server inside a stage's own event loop, stopped by the stage's own signal."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping
from typing import Any, cast

import structlog
import uvicorn

from libs.errors import Unavailable
from libs.http_guard import Gate, Limits, guarded, sweep_for_ever

# ASGI, as Starlette spells it too.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Requests that are still running after this are cut off when the server stops: a part of the
# drain's limit, so that what comes after it has time, too.
_GRACE_S = 5
# Before the port is closed, requests that come late are told so for this long: whoever is in the
# middle of connecting when a port is closed does not hear anything.
_LATE_S = 0.5
_BACKLOG = 2_048
# uvloop takes one connection a round from each socket that listens, and a busy round takes a while:
# from one socket alone, whoever comes would wait behind a long queue.
_ACCEPTED_A_ROUND = 32
_CONNECTIONS_ASIDE_MAX = 64


# uvicorn as a guest: the loop, the logs and the end of the process are not its own.
_AS_A_GUEST: dict[str, Any] = {
    "interface": "asgi3",
    "loop": "none",
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
}


class _Quiet(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before the flush.

    `on_up` is called once it listens.
    """

    def __init__(self, config: uvicorn.Config, on_up: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_up = on_up

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_up()


async def serve(
    app: Application,
    host: str,
    port: int,
    stop: asyncio.Event,
    limits: Limits | None = None,
    *,
    notice_s: float = 0.0,
) -> None:
    """Serve until `stop`, go on for `notice_s` with connections that end, finish what is running.

    Raises `Unavailable` if the port cannot be had.
    """
    listening = bound(host, port)
    gate = Gate(limits or Limits())
    server = _Quiet(
        uvicorn.Config(
            cast("Any", app),
            http=guarded(gate),
            backlog=_BACKLOG,
            # The guard's own limits come first.
            timeout_keep_alive=int(gate.limits.idle_timeout_s) + 1,
            timeout_graceful_shutdown=_GRACE_S,
            **_AS_A_GUEST,
        ),
        lambda: structlog.get_logger().info("ready", host=host, port=port),
    )
    doors = [listening, *(listening.dup() for _ in range(_ACCEPTED_A_ROUND - 1))]
    running = asyncio.create_task(server.serve(sockets=doors))
    stopping = asyncio.create_task(stop.wait())
    sweeping = asyncio.create_task(sweep_for_ever(server.server_state))
    # Without the sweep there are no time limits, so its error is the server's.
    watched = {running, sweeping}
    await asyncio.wait({*watched, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    gate.is_draining = True
    # Whoever sends the requests here learns of it by the answers, and by readiness.
    await asyncio.wait(watched, timeout=notice_s, return_when=asyncio.FIRST_COMPLETED)
    gate.is_closed = True
    await asyncio.wait(watched, timeout=_LATE_S, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    try:
        await running
        if sweeping.done():
            sweeping.result()
    finally:
        sweeping.cancel()


def bound(host: str, port: int) -> socket.socket:
    """Take a port. Raises `Unavailable` if it cannot be had."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Unavailable(f"port {port} of {host} cannot be had: {error.strerror}") from error
    return listening


@contextlib.asynccontextmanager
async def serving(app: Application, sockets: list[socket.socket]) -> AsyncGenerator[None]:
    """Serve on sockets that are bound, until the end of the block; what still runs is cut off."""
    is_up = asyncio.Event()
    server = _Quiet(
        uvicorn.Config(
            cast("Any", app),
            http="httptools",
            limit_concurrency=_CONNECTIONS_ASIDE_MAX,
            timeout_graceful_shutdown=1,
            **_AS_A_GUEST,
        ),
        is_up.set,
    )
    running = asyncio.create_task(server.serve(sockets=sockets))
    running.add_done_callback(lambda _done: is_up.set())
    try:
        await is_up.wait()
        yield
    finally:
        server.should_exit = True
        await running

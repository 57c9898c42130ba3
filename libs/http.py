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

# ASGI, as Starlette spells it too.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Requests that are still running after this are cut off when the server stops: a part of the
# drain's limit, so that what comes after it has time, too.
_GRACE_S = 8
# Connections past this are answered with 503 by the server itself.
_CONNECTIONS_MAX = 4_096
_CONNECTIONS_ASIDE_MAX = 64


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before the flush."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        structlog.get_logger().info("ready", host=self.config.host, port=self.config.port)


async def serve(app: Application, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve until `stop`, then finish the requests that are running.

    Raises `Unavailable` if the port cannot be had.
    """
    listening = bound(host, port)
    server = _Server(
        uvicorn.Config(
            cast("Any", app),
            host=host,
            port=port,
            http="httptools",
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_graceful_shutdown=_GRACE_S,
        )
    )
    running = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await running


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


class _Aside(uvicorn.Server):
    """uvicorn beside what a process is there for: it neither ends it nor calls it ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@contextlib.asynccontextmanager
async def serving(app: Application, sockets: list[socket.socket]) -> AsyncGenerator[None]:
    """Serve on sockets that are bound, until the end of the block; what still runs is cut off."""
    server = _Aside(
        uvicorn.Config(
            cast("Any", app),
            http="httptools",
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS_ASIDE_MAX,
            timeout_graceful_shutdown=1,
        )
    )
    running = asyncio.create_task(server.serve(sockets=sockets))
    running.add_done_callback(lambda _done: server.is_up.set())
    try:
        await server.is_up.wait()
        yield
    finally:
        server.should_exit = True
        await running

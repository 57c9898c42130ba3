"""`/live` and `/ready` over HTTP, for whoever starts and stops a stage."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from libs import http
from libs.errors import Unavailable
from libs.stage.settings import HealthSettings


@dataclass(frozen=True, slots=True)
class Verdict:
    """One word, and why it is not the good one."""

    status: str
    is_good: bool = True
    reasons: list[str] = field(default_factory=list[str])


@asynccontextmanager
async def answering(
    settings: HealthSettings, ready: Callable[[], Verdict], live: Callable[[], Verdict]
) -> AsyncGenerator[None]:
    """Answer on the port and on the socket that are set, if any. Raises `Unavailable` if taken."""

    async def answer_ready(_request: Request) -> Response:
        return _answer(ready())

    async def answer_live(_request: Request) -> Response:
        return _answer(live())

    async with AsyncExitStack() as stack:
        listening: list[socket.socket] = []
        if settings.port:
            listening.append(http.bound(settings.host, settings.port))
        if settings.socket:
            path = Path(settings.socket)
            listening.append(_bound(path))
            stack.callback(path.unlink, missing_ok=True)
        if listening:
            routes = [Route("/ready", answer_ready), Route("/live", answer_live)]
            await stack.enter_async_context(http.serving(Starlette(routes=routes), listening))
            places = [str(one.getsockname()) for one in listening]
            structlog.get_logger().info("health", listening=places)
        yield


def _answer(verdict: Verdict) -> Response:
    body = {"status": verdict.status, "reasons": verdict.reasons}
    return Response(
        msgspec.json.encode(body),
        200 if verdict.is_good else 503,
        {"Cache-Control": "no-store"},
        media_type="application/json",
    )


def _bound(path: Path) -> socket.socket:
    # One that was killed leaves its socket behind.
    with suppress(FileNotFoundError):
        path.unlink()
    made = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
    except OSError as error:
        made.close()
        raise Unavailable(f"HEALTH_SOCKET={path} cannot be had: {error.strerror}") from error
    finally:
        os.umask(before)
    return made

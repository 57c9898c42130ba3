"""The HTTP side of glass: who asks, what, and how the answer is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from libs.errors import Rejected, Unavailable
from libs.keys import digest
from services.glass.query import Question, SeenEvent, question

_RETRY_AFTER_S = 2
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Events(Protocol):
    """What can be asked; see `services.glass.query.Events`."""

    async def find(self, asked: Question, tenant: str | None) -> list[SeenEvent]:
        """Answer a question for one tenant, or for all. Raises `Unavailable`."""
        ...

    async def check(self) -> None:
        """Raise `Unavailable` unless questions can be answered."""
        ...


def application(events: Events, tenants: Mapping[bytes, str]) -> Starlette:
    """Make the application; `tenants` by their key's digest, empty if all may see everything."""

    async def find(request: Request) -> Response:
        tenant = _tenant(request, tenants)
        asked = question(request.query_params.multi_items())
        return _answer(200, {"events": await events.find(asked, tenant)})

    async def ready(_request: Request) -> Response:
        await events.check()
        return _answer(200, {"status": "ready"})

    return Starlette(
        routes=[
            _route("/v1/events", find),
            _route("/ready", ready),
            _route("/live", _live),
        ],
        exception_handlers={
            Rejected: _refuse,
            Unavailable: _put_off,
            HTTPException: _explain,
        },
    )


def _route(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    return Route(path, endpoint, methods=["GET"])


async def _live(_request: Request) -> Response:
    return _answer(200, {"status": "live"})


def _tenant(request: Request, tenants: Mapping[bytes, str]) -> str | None:
    """Find the tenant that may ask; `None` if there are no keys, which means all tenants."""
    if not tenants:
        return None
    tenant = tenants.get(digest(request.headers.get("api-key", "").encode("latin-1")))
    if tenant is None:
        raise HTTPException(401, "the Api-Key header is missing or its key is not known")
    return tenant


async def _refuse(_request: Request, error: Exception) -> Response:
    return _answer(400, {"error": str(error)})


async def _put_off(_request: Request, error: Exception) -> Response:
    return _answer(503, {"error": str(error)}, {"Retry-After": str(_RETRY_AFTER_S)})


async def _explain(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, {"error": error.detail}, error.headers)


def _answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(body),
        status,
        {**_HEADERS, **(headers or {})},
        media_type="application/json",
    )

"""The outermost frame of a process: its event loop, and its last line of defence."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop
from pydantic import ValidationError

from libs.errors import Misconfigured, Unavailable

_EXIT_FAILED = 1
# Objects that may refer to each other, as many as a poll of records has. At Python's 700 a seventh
# of a hop's time went into looking for circles that are not there.
_GC_OBJECTS = 50_000


def launch(main: Callable[[], Awaitable[None]]) -> None:
    """Run a stage; what it does not handle is logged, and ends the process with a code above 0."""
    # What is loaded by now stays.
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS)
    try:
        uvloop.run(_as_coroutine(main))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        sys.exit(f"a setting is wrong: {wrong}")
    except Misconfigured as error:
        sys.exit(f"a setting is wrong: {error}")
    except Unavailable as error:
        structlog.get_logger().error("stopped", reason=str(error))
        sys.exit(_EXIT_FAILED)
    except Exception:  # noqa: BLE001  (the one place: the supervisor restarts what died here)
        structlog.get_logger().exception("died")
        sys.exit(_EXIT_FAILED)


async def _as_coroutine(main: Callable[[], Awaitable[None]]) -> None:
    try:
        await main()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        # A library may let one escape that nobody asked for; that is a failure.
        if task is None or not task.cancelling():
            raise
        structlog.get_logger().info("stopped while it was starting")

"""Ending what may hang with a collector, without hanging with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


async def leave_behind(end: Callable[[], object], limit_s: float) -> None:
    """Call `end` in a thread and wait for it, but no longer than the limit.

    The thread is one that does not keep the process: it is left behind where it hangs.
    """
    thread = threading.Thread(target=end, name="ending", daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, limit_s)

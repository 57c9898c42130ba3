"""What each replica says of itself when it is asked."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.native import sockets
from tools.native.settings import Settings
from tools.process import Process, Said

# A stage that does not answer in this time does not turn its event loop.
_PATIENCE_S = 2.0
_AT_ONCE_MAX = 16


def ask(settings: Settings, processes: Iterable[Process]) -> dict[str, Said]:
    """Ask those that run and have a socket, all at once; by the name of the process."""
    folder = sockets.folder(settings)
    paths = {one.name: folder / f"{one.stage}-{one.replica}.sock" for one in processes if one.pid}
    asked = {name: path for name, path in paths.items() if path.exists()}
    with ThreadPoolExecutor(_AT_ONCE_MAX) as pool:
        return dict(zip(asked, pool.map(_ask, asked.values()), strict=True))


def _ask(path: Path) -> Said:
    connection = sockets.Connection(path, _PATIENCE_S)
    try:
        connection.request("GET", "/ready")
        said = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Said("no answer", (f"{type(error).__name__}: {error}",))
    finally:
        connection.close()
    return Said(said["status"], tuple(said["reasons"]))

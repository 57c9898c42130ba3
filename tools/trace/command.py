"""`ttg trace`: the newest waterfall, or a named one, drawn in the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from rich.console import Console

from tools.env import load
from tools.errors import OperatorError
from tools.trace import drawing, jaeger, picture

# Where output goes to a file, there is no width to ask for.
_FILE_WIDTH = 120
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


def trace(trace_id: str = "", *, json: bool = False, svg: Path | None = None) -> None:
    """Draw a waterfall, with what each part of the time went to.

    Examples::

        ttg trace
        ttg trace 4bf92f3577b34da6a3ce929d0e0e4736
        ttg trace --svg waterfall.svg

    Parameters
    ----------
    trace_id
        The `trace_id` of an answer; without it, the newest request that reached the glass.
    json
        Print the spans as JSON instead.
    svg
        Write the waterfall as a picture to this file, too.
    """
    jaeger_url = load().jaeger_url
    found = _named(jaeger_url, trace_id.lower()) if trace_id else _newest(jaeger_url)
    if svg is not None:
        _write(svg, picture.svg(found))
    if json:
        print(msgspec.json.encode(found).decode())  # noqa: T201
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_FILE_WIDTH)
    drawing.draw(console, found, f"{jaeger_url}/trace/{found.id}")


def _named(jaeger_url: str, trace_id: str) -> jaeger.Trace:
    if not _TRACE_ID.fullmatch(trace_id):
        raise OperatorError(f"{trace_id!r} is no trace id; one has 32 hexadecimal digits.")
    found = jaeger.find(jaeger_url, trace_id)
    if found is None:
        raise OperatorError(
            f"Jaeger has no trace {trace_id}: it was not sampled, or Jaeger was restarted since."
        )
    return found


def _newest(jaeger_url: str) -> jaeger.Trace:
    found = jaeger.newest(jaeger_url)
    if found is None:
        raise OperatorError("there are no traces yet; send an event, or run `make load`.")
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}.") from error

"""`ttg logs`: what the processes of the stack wrote, as lines a person can read."""

from __future__ import annotations

from tools import mode
from tools.native import settings as native_settings


def logs(stage: str = "", *, follow: bool = False, lines: int = 40) -> None:
    """Print the logs of one process, or of all.

    Parameters
    ----------
    stage
        kafka, postgres, jaeger, topics, ingest, normalize, decorate, sink or glass.
    follow
        Go on printing what is written, until Ctrl-C.
    lines
        How many of the last lines of each log.
    """
    mode.of(native_settings.current()).logs(stage, lines, follow=follow)

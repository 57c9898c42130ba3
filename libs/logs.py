"""Structured logs: one JSON object a line on stdout, set up once by each process."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec
import structlog

_LEVEL = logging.INFO
# At DEBUG aiokafka writes the values of records, so its level never follows ours down.
_LIBRARY_LEVELS = {"aiokafka": logging.WARNING, "uvicorn": logging.WARNING}

# While a broker or a collector is away, a library says the same at each of its many attempts.
_REPEATERS = ("aiokafka", "opentelemetry")
_REPEATED_AFTER_S = 15.0
_REMEMBERED_MAX = 256


class _NotAgain(logging.Filter):
    """Lets a library say one thing once in a while, and says how often it was not let."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        super().__init__()
        self._now_s = now_s
        self._said: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide by the message before its arguments are filled in."""
        if not record.name.startswith(_REPEATERS):
            return True
        if len(self._said) > _REMEMBERED_MAX:
            self._said.clear()
        key = (record.name, record.msg)
        said_s, kept_back = self._said.get(key, (-_REPEATED_AFTER_S, 0))
        now_s = self._now_s()
        if now_s - said_s < _REPEATED_AFTER_S:
            self._said[key] = (said_s, kept_back + 1)
            return False
        self._said[key] = (now_s, 0)
        if kept_back:
            record.msg = f"{record.msg} (and {kept_back} times before)"
        return True


def setup(stage: str, replica: int) -> None:
    """Send the logs of this process, its libraries' included, to stdout as JSON."""
    # Without the values of local variables, which may be passwords and what customers sent.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(tracebacks),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVEL),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _to_json],
        )
    )
    handler.addFilter(_NotAgain(time.monotonic))
    logging.basicConfig(level=_LEVEL, handlers=[handler], force=True)
    for name, level in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(level)
    structlog.contextvars.bind_contextvars(stage=stage, replica=replica)


def _to_json(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(entry, enc_hook=repr).decode()

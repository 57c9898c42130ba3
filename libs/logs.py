"""Structured logs: one JSON object a line on stdout, set up once by each process."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

_LEVEL = logging.INFO
# At DEBUG aiokafka writes the values of records, so its level never follows ours down.
_LIBRARY_LEVELS = {"aiokafka": logging.WARNING, "uvicorn": logging.WARNING}


def setup(stage: str, replica: int) -> None:
    """Send the logs of this process, its libraries' included, to stdout as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
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
    logging.basicConfig(level=_LEVEL, handlers=[handler], force=True)
    for name, level in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(level)
    structlog.contextvars.bind_contextvars(stage=stage, replica=replica)


def _to_json(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(entry, enc_hook=repr).decode()

"""Where a running stack is reached: the values of `<state>/env`, read back."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from tools.errors import OperatorError

ENV_FILE = "env"
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class StackEnv:
    """The addresses and the key of one running stack."""

    ingest_url: str
    api_key: str
    glass_url: str
    jaeger_url: str
    otel_exporter_otlp_endpoint: str
    kafka_bootstrap_servers: str
    database_url: str


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the absolute state folder: `TTG_STATE_DIR`, else `.ttg` in the repository."""
    named = environ.get("TTG_STATE_DIR", "")
    return Path(named).expanduser().resolve() if named else REPOSITORY / ".ttg"


def render(env: StackEnv) -> str:
    """Return `env` as lines that a shell can source."""
    return "".join(
        f"export {field.name.upper()}={shlex.quote(getattr(env, field.name))}\n"
        for field in fields(env)
    )


def parse(text: str) -> StackEnv:
    """Read what `render` wrote. Raises `OperatorError` if a value is missing."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words and "=" in words[-1]:
            name, _, value = words[-1].partition("=")
            values[name.lower()] = value
    try:
        return StackEnv(**{field.name: values[field.name] for field in fields(StackEnv)})
    except KeyError as error:
        raise OperatorError(
            f"The stack's env file lacks {error.args[0].upper()}; run `make up` again."
        ) from error


def load() -> StackEnv:
    """Return where the running stack is. Raises `OperatorError` if none is up."""
    path = state_dir() / ENV_FILE
    try:
        return parse(path.read_text())
    except FileNotFoundError as error:
        raise OperatorError("No stack is up here; run `make up`.") from error

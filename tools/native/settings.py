"""What an operator may set, and where everything of one stack then is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools import env
from tools.errors import OperatorError

PORT_BASE = 7400
# Offset from the base; each listens on the loopback interface only. There is none for the
# supervisor: it is reached through a socket in the state folder, which only its owner can open.
# Clients that come in by `kafka-proxied` are told to go to `kafka-proxy`, where a test may listen.
PORT_OFFSETS = {
    "ingest": 0,
    "glass": 1,
    "jaeger": 2,
    "jaeger-grpc": 3,
    "otlp-grpc": 4,
    "otlp-http": 5,
    "kafka": 6,
    "kafka-controller": 7,
    "postgres": 8,
    "kafka-proxied": 9,
    "jaeger-health": 10,
    "kafka-proxy": 11,
}
_PORT_MAX = 65_535
_MODES = ("compose", "native")


@dataclass(frozen=True, slots=True)
class Settings:
    """One stack: its state folder, its ports and the cache that all stacks share."""

    state: Path
    cache: Path
    port_base: int = PORT_BASE
    # `compose`, `native`, or empty for the one that fits the machine.
    mode: str = ""

    def port(self, name: str) -> int:
        """Return the port of `name`, one of `PORT_OFFSETS`."""
        return self.port_base + PORT_OFFSETS[name]

    @property
    def run(self) -> Path:
        """Sockets, locks and pid files: what is worthless after a stop."""
        return self.state / "run"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.state / "logs"

    @property
    def data(self) -> Path:
        """What outlives a stop."""
        return self.state / "data"

    @property
    def config(self) -> Path:
        """Configuration files made from the templates."""
        return self.state / "config"

    @property
    def secrets(self) -> Path:
        """Random secrets, made once."""
        return self.state / "secrets"

    @property
    def env_file(self) -> Path:
        """The addresses of the running stack, for a shell to source."""
        return self.state / env.ENV_FILE


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises `OperatorError` naming the variable that is wrong."""
    mode = environ.get("MODE", "")
    if mode and mode not in _MODES:
        known = " or ".join(f"MODE={name}" for name in _MODES)
        raise OperatorError(f"MODE={mode!r} is not known; use {known}, or leave it out.")
    return Settings(
        state=env.state_dir(environ),
        cache=cache_dir(environ),
        port_base=_port_base(environ),
        mode=mode,
    )


def current() -> Settings:
    """Read the settings of this process's environment."""
    return read(os.environ)


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Return where tools are kept: `TTG_CACHE_DIR`, else `ttg` in the user's cache folder.

    Raises `OperatorError` if the user has no home. tools/setup.sh asks it on a bare Python.
    """
    named = environ.get("TTG_CACHE_DIR")
    home = environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(named or f"{home}/ttg").expanduser().resolve()
    except RuntimeError as error:
        raise OperatorError(
            "There is no home folder for the cache; set TTG_CACHE_DIR to a folder that can be "
            "written."
        ) from error


def _port_base(environ: Mapping[str, str]) -> int:
    text = environ.get("TTG_PORT_BASE") or str(PORT_BASE)
    highest = _PORT_MAX - max(PORT_OFFSETS.values())
    if not text.isdecimal() or not 1_024 <= int(text) <= highest:
        raise OperatorError(
            f"TTG_PORT_BASE={text!r} is not a port from 1024 to {highest}; set another."
        )
    return int(text)

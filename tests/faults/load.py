"""The load of one run: a process of its own that no fault hits, with a ledger."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.stack import Stack, environment
from tools import env
from tools.env import StackEnv

_DURATION_MAX_S = 3_600
_END_LIMIT_S = 120.0
_LOOK_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Offer:
    """What is sent; `retry_s` is how long one request is sent again."""

    rate: int = 1_500
    batch: int = 50
    keys: int = 24
    poison: float = 0.0
    retry_s: float = 40.0


class Load:
    """Sends from `start` to `end`; `url` and `key` name another door than the stack's own."""

    def __init__(
        self, stack: Stack, folder: Path, offer: Offer, url: str = "", key: str = ""
    ) -> None:
        self.ledger = folder / "ledger.jsonl"
        self._stack = stack
        self._folder = folder
        self._offer = offer
        self._url, self._key = url, key
        self._acked = 0
        self._read_bytes = 0

    def start(self) -> None:
        """Begin to send."""
        self._write_env()
        offer = self._offer
        words = [
            *("load", "--ledger", str(self.ledger), "--duration", str(_DURATION_MAX_S)),
            *("--rate", str(offer.rate), "--batch", str(offer.batch), "--keys", str(offer.keys)),
            *("--poison", str(offer.poison), "--retry", str(offer.retry_s)),
        ]
        self.ledger.touch()
        with (self._folder / "load.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  (our own command)
                [sys.executable, "-m", "tools", *words],
                env=environment(self._folder, self._stack.port_base),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, acked_min: int, limit_s: float) -> None:
        """Go on until so many events are acked, or `limit_s` is over; then let it finish."""
        deadline = time.monotonic() + limit_s
        while self.acked() < acked_min and time.monotonic() < deadline:
            assert self._process.poll() is None, "the load ended by itself"
            time.sleep(_LOOK_AGAIN_S)
        self._process.send_signal(signal.SIGINT)
        self._process.wait(_END_LIMIT_S)

    def kill(self) -> None:
        """End it at once, whatever is on its way."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def acked(self) -> int:
        """Count the events acked so far, by what was added to the ledger since the last count."""
        with self.ledger.open("rb") as file:
            file.seek(self._read_bytes)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        self._acked += whole.count(b'"outcome":"acked"')
        return self._acked

    def _write_env(self) -> None:
        values = {name.lower(): value for name, value in self._stack.values.items()}
        known = {name: values[name] for name in StackEnv.__slots__}
        known["ingest_url"] = self._url or known["ingest_url"]
        known["api_key"] = self._key or known["api_key"]
        (self._folder / env.ENV_FILE).write_text(env.render(StackEnv(**known)))

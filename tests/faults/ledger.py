"""Reads the ledger of a load: what was sent, and what its sender was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event; times are µs since the epoch."""

    tenant: str
    event_id: str
    sha256: str
    key: str
    sequence: int
    due_us: int
    sent_us: int
    answered_us: int
    outcome: str
    trace_id: str
    is_sampled: bool
    sent: dict[str, Any]


@dataclass(slots=True)
class Ledger:
    """All events of a run by their id; `is_whole` if its writer came to its end."""

    run_id: str
    tenant: str
    started_us: int
    is_whole: bool = False
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])

    def of(self, outcome: str) -> list[Entry]:
        """The events that came out so: `acked`, `rejected` or `unknown`."""
        return [entry for entry in self.entries.values() if entry.outcome == outcome]


def read(path: Path) -> Ledger:
    """Read a ledger; a line that is torn or there twice leaves it not whole."""
    lines = path.read_bytes().splitlines()
    head = msgspec.json.decode(lines[0])
    ledger = Ledger(head["run_id"], head["tenant"], head["started_us"])
    decoder = msgspec.json.Decoder(Entry)
    for line in lines[1:]:
        if line.startswith(b'{"ended_us"'):
            ledger.is_whole = msgspec.json.decode(line)["events"] == len(ledger.entries)
            break
        try:
            entry = decoder.decode(line)
        except msgspec.DecodeError:
            break
        ledger.entries[entry.event_id] = entry
    return ledger

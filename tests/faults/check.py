"""Checks a run: `python -m tests.faults.check LEDGER --kafka … --database … [--record …]`.

A process of its own that knows the ledger and reads topics and store afresh. It prints the verdict
as JSON; the exit code is 0 if it is green, 1 if it is red and 2 if the run proves nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import msgspec

from tests.faults import ledger as ledgers, record as records, store, topics
from tests.faults.ledger import Ledger
from tests.faults.observed import Observed
from tests.faults.record import Record
from tests.faults.verdict import GREEN, RED, Verdict, judge

_CODES = {GREEN: 0, RED: 1}
_INVALID_CODE = 2
_REST_AGAIN_S = 0.3
_SETTLE_S = 5.0


async def observe(ledger: Ledger, kafka: str, database: str, rest_limit_s: float) -> Observed:
    """Wait until all is at rest, then read everything of a run."""
    unrest = await _until_rest(kafka, database, rest_limit_s)
    copies = await topics.read(kafka, ledger.run_id, ledger.started_us)
    connection = await store.connect(database)
    try:
        return Observed(
            rows=await store.events(connection, ledger.run_id),
            dead_rows=await store.dead_letters(connection, ledger.run_id),
            copies=copies,
            unrest=unrest,
        )
    finally:
        await connection.close()


async def _until_rest(kafka: str, database: str, limit_s: float) -> list[str]:
    unrest = await topics.until_rest(kafka, limit_s)
    ends = await topics.end_offsets(kafka)
    connection = await store.connect(database)
    deadline = time.monotonic() + _SETTLE_S
    try:
        # A transaction that ends as we look is no finding.
        while waiting := await store.unrest(connection, ends):
            if time.monotonic() > deadline:
                return unrest + waiting
            await asyncio.sleep(_REST_AGAIN_S)
        return unrest
    finally:
        await connection.close()


def main(words: list[str]) -> int:
    """Check, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.check")
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT")
    parser.add_argument("--database", required=True, metavar="URL")
    parser.add_argument("--record", type=Path, help="what the runner did; without it no fault did")
    parser.add_argument("--rest-limit-s", type=float, default=60.0)
    given = parser.parse_args(words)
    ledger = ledgers.read(given.ledger)
    record = records.read(given.record) if given.record else Record()
    observed = asyncio.run(observe(ledger, given.kafka, given.database, given.rest_limit_s))
    verdict: Verdict = judge(ledger, observed, record)
    sys.stdout.write(msgspec.json.encode(verdict).decode() + "\n")
    return _CODES.get(verdict.verdict, _INVALID_CODE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

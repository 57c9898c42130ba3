"""`ttg load`: sends events in open loop and accounts for each of them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from libs.errors import Unavailable
from tools import env
from tools.env import StackEnv
from tools.errors import OperatorError
from tools.load import report as reports
from tools.load.client import Client
from tools.load.ledger import Ledger
from tools.load.plan import Plan
from tools.load.report import Report
from tools.load.sender import Outcome, Sender
from tools.load.store import Found, Store
from tools.progress import Step

_SHOW_S = 0.2
_BATCH_MAX = 10_000
_RATE_MAX = 1_000_000
_EVENTS_MAX = 100_000_000
# Rows carry the door's clock, which may be another machine's.
_SKEW = timedelta(minutes=5)
_PATH = "/v1/events"

_Positive = Number(gt=0)


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Offer:
    """What is sent.

    Parameters
    ----------
    rate
        Events a second.
    duration
        Seconds.
    batch
        Events a request.
    keys
        How many ordering keys the requests take in turn; 0 is none.
    poison
        The share of events that the door accepts and a stage must dead-letter.
    """

    rate: Annotated[float, Parameter(validator=Number(gt=0, lte=_RATE_MAX))] = 500
    duration: Annotated[float, Parameter(validator=_Positive)] = 10
    batch: Annotated[int, Parameter(validator=Number(gte=1, lte=_BATCH_MAX))] = 10
    keys: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    poison: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0


_DEFAULT = Offer()


def load(
    *,
    offer: Offer = _DEFAULT,
    retry: Annotated[float, Parameter(validator=Number(gte=0))] = 60,
    settle: Annotated[float, Parameter(validator=Number(gte=0))] = 30,
    json: Annotated[bool, Parameter(negative=())] = False,
    ledger: Path | None = None,
    tenant: str = "default",
) -> int:
    """Send events to the running stack, then check that each accepted one is stored once.

    The load is open loop: each request has its time, and an answer's latency counts from there.
    Ctrl-C ends the sending and still accounts for what was sent. The exit code is 1 if an
    accepted event is missing or there twice, or none was accepted.

    Examples::

        ttg load --rate 2000 --duration 30 --batch 10
        ttg load --rate 100 --batch 1 --json

    Parameters
    ----------
    retry
        For so many seconds a request without a clear answer is sent again, with the same ids.
    settle
        Seconds without a new row after which what is not stored counts as missing.
    json
        Print the report as one JSON object.
    ledger
        Write a line for each event into this file, and leave it to whoever reads it to look for
        them in the store.
    tenant
        Whose the key is, for the ledger.
    """
    plan = Plan.of(offer.rate, offer.duration, offer.batch, keys=offer.keys, poison=offer.poison)
    if plan.events > _EVENTS_MAX:
        raise OperatorError(
            f"{plan.events:,} events are too many for one run, the limit is {_EVENTS_MAX:,}; "
            "choose a lower rate or a shorter duration."
        )
    if ledger is not None:
        uvloop.run(_keep_ledger(env.load(), plan, retry, Ledger(ledger, plan, tenant)))
        return 0
    made = uvloop.run(_run(env.load(), plan, retry, settle))
    if json:
        sys.stdout.write(msgspec.json.encode(made).decode() + "\n")
    else:
        reports.draw(Console(), made)
    return 0 if made.is_whole else 1


async def _run(stack: StackEnv, plan: Plan, retry_s: float, settle_s: float) -> Report:
    store = Store(stack.database_url, plan, datetime.now(UTC) - _SKEW)
    client = _client(stack)
    sender = Sender(client, plan, retry_s)
    took_s = await _send(sender, plan, client)
    try:
        found = await _look(store, sender.outcome, plan, settle_s)
    except Unavailable as error:
        raise OperatorError(
            f"{error}; so nothing can be said of what was stored. See `make ps`."
        ) from error
    return reports.of(plan, sender.outcome, found, took_s)


async def _keep_ledger(stack: StackEnv, plan: Plan, retry_s: float, ledger: Ledger) -> None:
    client = _client(stack)
    with ledger:
        await _send(Sender(client, plan, retry_s, ledger), plan, client)


def _client(stack: StackEnv) -> Client:
    headers = {"Api-Key": stack.api_key, "Content-Type": "application/json"}
    return Client(stack.ingest_url, _PATH, headers)


async def _send(sender: Sender, plan: Plan, client: Client) -> float:
    began = time.monotonic()
    with Step(f"Sending {plan.events:,} events over {plan.duration_s:g} s") as step:

        def show() -> None:
            step.update(_progress(sender.outcome, plan))

        try:
            async with _shown(show):
                with _stop_on_ctrl_c() as stop:
                    await sender.run(stop)
        finally:
            client.close()
    return time.monotonic() - began


async def _look(store: Store, outcome: Outcome, plan: Plan, settle_s: float) -> Found:
    # Rows of requests whose fate is unknown count too, so both are waited for.
    expected = (len(outcome.accepted) + len(outcome.unknown)) * plan.batch
    with Step("Looking for them in the store") as step:
        await store.settle(
            expected, settle_s, lambda count: step.update(f"{count:,} of {expected:,}")
        )
        return await store.account(outcome)


def _progress(outcome: Outcome, plan: Plan) -> str:
    p99_ms = outcome.answer_us.get_value_at_percentile(99) / 1e3
    waiting = outcome.sent - outcome.answered
    return (
        f"{outcome.sent * plan.batch:,} sent, {len(outcome.accepted) * plan.batch:,} accepted, "
        f"{waiting:,} requests waiting, answer p99 {p99_ms:,.0f} ms"
    )


@asynccontextmanager
async def _shown(show: Callable[[], None]) -> AsyncGenerator[None]:
    async def go_on() -> None:
        while True:
            await asyncio.sleep(_SHOW_S)
            show()

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()


@contextmanager
def _stop_on_ctrl_c() -> Generator[asyncio.Event]:
    """Set the event at the first Ctrl-C; the second one ends the program as usual."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGINT)

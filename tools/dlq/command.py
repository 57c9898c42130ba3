"""`ttg dlq ls | show | replay`: what the stages gave up, and its way back in."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from dataclasses import dataclass, replace
from typing import Annotated, Any

import cyclopts
import msgspec
import structlog
from cyclopts import Parameter
from cyclopts.validators import Number

from libs import tracing
from libs.errors import Unavailable
from libs.tracing import names
from services.topology import PIPELINE
from tools.dlq import drawing, grouping
from tools.dlq.letter import Letter
from tools.dlq.reading import Found, Wanted, latest, read
from tools.dlq.resend import Resent, resend
from tools.env import StackEnv, load
from tools.errors import OperatorError
from tools.progress import Step

app = cyclopts.App(
    name="dlq",
    help="List what the stages gave up, show it in full, and send it again.",
    help_format="plaintext",
    version_flags=[],
)

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_PLACE = re.compile(r"(.+)-[0-9]{1,9}-[0-9]{1,19}")
_STAGES = [hop.stage for hop in PIPELINE if hop.reads]
# All of them are held at once.
_AMONG_MAX = 100_000
_AMONG = 10_000
_Among = Annotated[int, Parameter(validator=Number(gte=1, lte=_AMONG_MAX))]
_Flag = Parameter(negative=())


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which letters a command is about.

    Parameters
    ----------
    trace
        Only letters of this trace.
    reason
        Only letters whose reason has this in it, in any case; `…` stands for anything.
    stage
        Only letters of this stage.
    among
        How many of the newest letters of each topic, and of the table, to look at.
    """

    trace: str = ""
    reason: str = ""
    stage: str = ""
    among: _Among = _AMONG

    def wanted(self) -> Wanted:
        """Check what was asked for. Raises `OperatorError`."""
        if self.trace and not _TRACE_ID.fullmatch(self.trace.lower()):
            raise OperatorError(f"{self.trace!r} is no trace id; one has 32 hexadecimal digits.")
        if self.stage and self.stage not in _STAGES:
            raise OperatorError(
                f"there is no stage {self.stage!r} that reads; name {', '.join(_STAGES)}."
            )
        return Wanted(trace=self.trace.lower(), reason=self.reason, stage=self.stage)


_ALL = Selection()


@app.command
def ls(*, selection: Selection = _ALL, json: Annotated[bool, _Flag] = False) -> None:
    """Count dead letters by stage and reason, with their time, and the traces of some.

    Those of the hops are in the topics `<topic>.dlq`, those of the sink in the table
    `dead_letter`. An event counts as stored if the store has it by now, as after a replay.

    Examples::

        ttg dlq ls
        ttg dlq ls --stage normalize
        ttg dlq ls --reason "too large" --json

    Parameters
    ----------
    json
        Print JSON instead.
    """
    wanted = selection.wanted()
    found = _find(load(), wanted, selection.among)
    found = replace(found, letters=latest(found.letters))
    groups = grouping.groups(found)
    if json:
        _print([grouping.as_json(group, is_known=not found.unknown) for group in groups])
    elif groups:
        drawing.draw_groups(drawing.console(), groups, found)
    else:
        sys.stdout.write("There are no such dead letters.\n")


@app.command
def show(which: str, *, among: _Among = _AMONG) -> None:
    """Print a letter in full: why and where it died, its headers, its events.

    Examples::

        ttg dlq show 4bf92f3577b34da6a3ce929d0e0e4736
        ttg dlq show events.raw-3-17

    Parameters
    ----------
    which
        A trace id, for all letters of that trace; or where the record was that died, as
        topic-partition-offset.
    among
        How many of the newest letters of each topic, and of the table, to look at.
    """
    env = load()
    if _TRACE_ID.fullmatch(which.lower()):
        wanted = Wanted(trace=which.lower())
    elif _PLACE.fullmatch(which):
        wanted = Wanted(place=which)
    else:
        raise OperatorError(
            f"{which!r} is neither a trace id of 32 hexadecimal digits nor a place such as"
            f" events.raw-3-17; see `ttg dlq ls`."
        )
    found = _find(env, wanted, among)
    if not found.letters:
        raise OperatorError(f"there is no dead letter of {which}; see `ttg dlq ls`.")
    out = drawing.console()
    for letter in found.letters:
        drawing.draw_letter(out, letter, found, env.jaeger_url)


@app.command
def replay(
    *,
    selection: Selection = _ALL,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    dry_run: Annotated[bool, _Flag] = False,
    again: Annotated[bool, _Flag] = False,
) -> int:
    """Send dead letters again, to the stage that gave them up, the oldest first.

    Events keep their ids, so one that is replayed twice is stored once. Each request gets a new
    trace, which starts now and is linked with the one that died. The exit code is 2 if some
    letters could not be sent.

    Examples::

        ttg dlq replay --trace 4bf92f3577b34da6a3ce929d0e0e4736
        ttg dlq replay --stage normalize --reason "too large" --dry-run
        ttg dlq replay --stage decorate --limit 1

    Parameters
    ----------
    limit
        How many at most; one is a good beginning.
    dry_run
        Print what would be sent, and send nothing.
    again
        Also send letters whose events are all in the store.
    """
    wanted, env = selection.wanted(), load()
    found = _find(env, wanted, selection.among)
    letters = latest(found.letters)
    missing = [one for one in letters if again or not found.is_stored(one)]
    chosen = missing[:limit]
    out = drawing.console()
    if skipped := len(letters) - len(missing):
        out.print(f"in the store already, and left out without --again: {drawing.counted(skipped)}")
    if dry_run or not chosen:
        out.print(
            f"would be sent: {drawing.counted(len(chosen))}" if chosen else "Nothing to send."
        )
        drawing.draw_plan(out, chosen)
        return 0
    resent = Resent()
    try:
        _send(env, chosen, resent)
    finally:
        drawing.draw_resent(out, resent, env.jaeger_url)
        out.print(f"sent again: {len(resent.sent):,} of {drawing.counted(len(chosen))}")
    return 2 if resent.refused else 0


def _find(env: StackEnv, wanted: Wanted, among: int) -> Found:
    _be_quiet()
    try:
        with Step("Reading dead letters") as step:
            found = asyncio.run(read(env, wanted, among, step.update))
    except Unavailable as error:
        raise OperatorError(f"{error}; see `make ps` and `make logs STAGE=kafka`.") from error
    if found.unknown:
        _warn(f"{found.unknown}; the sink's letters are missing, and what is stored is not known")
    if found.is_cut:
        _warn(f"only the newest {among:,} letters of each topic were looked at; see --among")
    return found


def _send(env: StackEnv, letters: list[Letter], resent: Resent) -> None:
    # Where a stage would find it, so the operator's own setting goes first.
    os.environ.setdefault("OTEL_EXPORTER_OTLP_ENDPOINT", env.otel_exporter_otlp_endpoint)

    async def sending(step: Step) -> None:
        async with tracing.exporting(names.OPERATOR_SERVICE, 0) as emitter:
            servers = env.kafka_bootstrap_servers
            await resend(letters, servers, emitter, resent, step.update)

    try:
        with Step(f"Sending {drawing.counted(len(letters))} again") as step:
            asyncio.run(sending(step))
    except Unavailable as error:
        raise OperatorError(
            f"{error}; run the command again when Kafka is there: nothing is stored twice."
        ) from error


def _be_quiet() -> None:
    """Keep the libraries' good news out of what is printed, and their bad news on stderr."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _warn(text: str) -> None:
    sys.stderr.write(f"ttg: {text}\n")


def _print(found: Any) -> None:
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")

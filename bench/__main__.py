"""The command line of the benchmarks, one command a question: `python -m bench tracing`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import cyclopts

from tools.errors import OperatorError

app = cyclopts.App(
    name="bench",
    help="Measure the pipeline on a stack of its own, which is removed afterwards.",
    help_format="plaintext",
    version_flags=[],
    default_parameter=cyclopts.Parameter(negative=()),
)
app.command("bench.tracing:tracing", name="tracing", help="Measure what tracing costs.")
app.command(
    "bench.collector:collector", name="collector", help="Measure what a bad collector costs."
)
app.command("bench.contest.command:peers", name="peers", help="Compare with what others build.")
app.command(
    "bench.latency:latency", name="latency", help="Measure the time to glass against offered load."
)
app.command(
    "bench.scaling:scaling", name="scaling", help="Measure more replicas, and more events stored."
)
app.command("bench.soak:soak", name="soak", help="Measure whether memory grows over time.")
app.command(
    "bench.sizing:sizing", name="sizing", help="Work out what a rate takes from what was measured."
)

app.command("bench.tune.command:tune", name="tune", help="Find settings that are worth it.")


def main() -> None:
    """Run one benchmark; SIGTERM ends it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)
    # It would tell of each process that is started beside a server of its own.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        app()
    except OperatorError as error:
        print(f"bench: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()

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
for name, asked in {
    "tracing": "Measure what tracing costs.",
    "collector": "Measure what a bad collector costs.",
    "peers": "Compare with what others build.",
    "latency": "Measure the time to glass against offered load.",
    "scaling": "Measure more replicas, and more events stored.",
    "soak": "Measure whether memory grows over time.",
    "sizing": "Work out what a rate takes from what was measured.",
    "tune": "Find settings that are worth it.",
}.items():
    # Each is a folder; only the one that is called is imported.
    app.command(f"bench.{name}.command:{name}", name=name, help=asked)


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

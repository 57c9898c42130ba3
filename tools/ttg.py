"""The operator's command line: `ttg up`, `ttg load`, `ttg trace` and the rest."""

from __future__ import annotations

import errno
import os
import sys

import cyclopts

from tools.errors import OperatorError

_FULL = (errno.ENOSPC, errno.EDQUOT)

# Named as text: a command's module is imported when it is called, so `ttg --help` stays quick.
COMMANDS = {
    "up": ("tools.up:up", "Start the pipeline and wait until it is ready."),
    "down": ("tools.down:down", "Stop the pipeline; its data stays."),
    "ps": ("tools.ps:ps", "List processes, replicas and their partitions."),
    "logs": ("tools.logs:logs", "Print the logs of one process, or of all."),
    "scale": ("tools.scale:scale", "Run N replicas of a stage, live."),
    "load": ("tools.load.command:load", "Send events and account for each."),
    "trace": (
        "tools.trace.command:trace",
        "Draw a waterfall, rank the slowest, judge by a budget.",
    ),
    "headers": ("tools.headers:headers", "Print records with their headers."),
    "dlq": ("tools.dlq.command:app", "List, show and replay dead letters."),
    "topics": ("tools.topics:app", "Create the pipeline's topics."),
    "clean": ("tools.clean:clean", "Stop the pipeline and remove its data."),
}


def application(called: str = "") -> cyclopts.App:
    """Make the command line; `called` is the command that is going to run, if that is known."""
    app = cyclopts.App(
        name="ttg",
        help="Run the pipeline on this machine, load it, and look into it.",
        help_format="plaintext",
        version_flags=[],
    )
    for name, (where, line) in COMMANDS.items():
        # The line stands in the list of commands; before a command's own help it would be all
        # that is said of it.
        texts = {} if name == called else {"help": line}
        app.command(where, name=name, **texts)
    return app


def main() -> None:
    """Run one command; what an operator can put right is printed as one sentence."""
    try:
        code = application(*sys.argv[1:2])()
    except OperatorError as error:
        print(f"ttg: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever reads the output has seen enough, as in `make trace | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        print(f"ttg: {sentence(error)}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def sentence(error: OSError) -> str:
    """Say what the system refused, and what may help."""
    what = error.strerror or str(error) or type(error).__name__
    if not error.filename:
        return f"{what}; run the command again, and see `make ps` if that does not help."
    remedy = "make room on its disk" if error.errno in _FULL else "check its permissions"
    return f"{error.filename}: {what}; {remedy}, then run the command again."

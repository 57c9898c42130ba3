"""The operator's command line: `ttg up`, `ttg load`, `ttg trace` and the rest."""

from __future__ import annotations

import errno
import os
import sys

import cyclopts

from tools.errors import OperatorError

_FULL = (errno.ENOSPC, errno.EDQUOT)

app = cyclopts.App(
    name="ttg",
    help="Run the pipeline on this machine, load it, and look into it.",
    help_format="plaintext",
    version_flags=[],
)

# Named as text: a command's module is imported when it is called, so `ttg --help` stays quick.
app.command("tools.up:up", name="up", help="Start the pipeline and wait until it is ready.")
app.command("tools.down:down", name="down", help="Stop the pipeline; its data stays.")
app.command("tools.ps:ps", name="ps", help="List processes, replicas and their partitions.")
app.command("tools.logs:logs", name="logs", help="Print the logs of one process, or of all.")
app.command("tools.scale:scale", name="scale", help="Run N replicas of a stage, live.")
app.command("tools.load.command:load", name="load", help="Send events and account for each.")
app.command("tools.trace.command:trace", name="trace", help="Draw a waterfall in the terminal.")
app.command("tools.headers:headers", name="headers", help="Print records with their headers.")
app.command("tools.topics:app", name="topics", help="Create the pipeline's topics.")
app.command("tools.clean:clean", name="clean", help="Stop the pipeline and remove its data.")


def main() -> None:
    """Run one command; what an operator can put right is printed as one sentence."""
    try:
        code = app()
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

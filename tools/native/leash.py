"""Runs a command that ends when its parent ends; it takes the command's place (same pid).

    leash.py [--signal N] [--user UID:GID] -- command argument …

It runs as a plain script with the standard library only, so it costs a few milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(words: list[str]) -> None:
    """Follow the options, then become the command."""
    parent = os.getppid()
    death_signal, user = int(signal.SIGTERM), ""
    while words and words[0] != "--":
        option, value = words[0], words[1]
        if option == "--signal":
            death_signal = int(value)
        elif option == "--user":
            user = value
        else:
            sys.exit(f"leash: {option} is not an option")
        words = words[2:]
    if user:
        _become(user)
    _die_with(parent, death_signal)
    command = words[1:]
    os.execvp(command[0], command)  # noqa: S606  (no shell is what is wanted)


def _become(user: str) -> None:
    uid, _, gid = user.partition(":")
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))


def _die_with(parent: int, death_signal: int) -> None:
    # After the change of user, which would clear it; it stays over exec.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("leash: the supervisor is gone")


if __name__ == "__main__":
    main(sys.argv[1:])

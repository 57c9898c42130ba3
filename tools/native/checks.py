"""What can be known before anything starts: ports, disk, permissions, the Python."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from tools.env import REPOSITORY
from tools.errors import OperatorError
from tools.native import golang
from tools.native.settings import PORT_OFFSETS, Settings

_PYTHON_MIN = (3, 11)
_GIB = 1 << 30
# Jaeger builds in 3.8 GiB of caches, which are removed afterwards, beside the fetched tools.
BUILD_FREE_BYTES_MIN = 5 * _GIB
FREE_BYTES_MIN = 1 * _GIB


def check(settings: Settings) -> None:
    """Raise `OperatorError` with the remedy for the first thing that would not work."""
    check_python()
    check_ports(settings)
    must_build = golang.must_build(golang.JAEGER, settings.cache)
    needed = BUILD_FREE_BYTES_MIN if must_build else FREE_BYTES_MIN
    check_folder(settings.cache, needed, "TTG_CACHE_DIR")
    check_folder(settings.state, FREE_BYTES_MIN, "TTG_STATE_DIR")


def check_paths(settings: Settings, repository: Path = REPOSITORY) -> None:
    """Raise `OperatorError` naming the folder whose path one of the programs would misread."""
    for folder, separator, remedy in (
        # Kafka's list of data folders, Java's class path, Jaeger's name of its configuration.
        (settings.state, ",", "set TTG_STATE_DIR to another folder"),
        (settings.cache, ":", "set TTG_CACHE_DIR to another folder"),
        (repository, ":", "move the repository to another folder"),
    ):
        unusable = _unusable(str(folder), separator)
        if unusable:
            raise OperatorError(
                f"The path {str(folder)!r} holds {unusable!r}, which not every program of the "
                f"stack takes for a part of a name; {remedy}."
            )


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> None:
    """Raise `OperatorError` if this Python is too old."""
    if version < _PYTHON_MIN:
        have = ".".join(map(str, version))
        raise OperatorError(f"This is Python {have}; install Python 3.11 or newer.")


def check_ports(settings: Settings, names: Iterable[str] = PORT_OFFSETS) -> None:
    """Raise `OperatorError` naming every port of the stack that somebody else holds."""
    busy = [f"{settings.port(name)} ({name})" for name in names if not _free(settings, name)]
    if busy:
        raise OperatorError(
            f"Another program holds port {', '.join(busy)}; stop it, or choose other ports "
            f"with TTG_PORT_BASE, for example TTG_PORT_BASE={settings.port_base + 100}."
        )


def check_folder(folder: Path, free_bytes_min: int, variable: str) -> None:
    """Raise `OperatorError` if `folder` cannot be written or its disk is nearly full."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise OperatorError(f"{existing} cannot be written; set {variable} to a folder that can.")
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < free_bytes_min:
        raise OperatorError(
            f"Only {free_bytes / _GIB:.1f} GiB are free at {existing}, "
            f"{free_bytes_min / _GIB:.0f} GiB are needed; make room, or set {variable}."
        )


def _free(settings: Settings, name: str) -> bool:
    with socket.socket() as probe:
        # A port whose last connection only just closed is free all the same.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.port(name)))
        except OSError:
            return False
    return True


def _unusable(path: str, separator: str) -> str:
    # The supervisor's file has quoted strings with escapes, and templates in braces.
    for part in (separator, '"', "\\", "{{"):
        if part in path:
            return part
    return next((char for char in path if not char.isprintable()), "")

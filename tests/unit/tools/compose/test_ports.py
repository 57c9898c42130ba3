"""A port that somebody takes between the look at it and the start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tools.compose import ports
from tools.errors import OperatorError
from tools.native import checks
from tools.native.settings import Settings

SETTINGS = Settings(Path("/state"), Path("/cache"), 9_400)


@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: driver failed programming external connectivity on endpoint "
        "ttg-0123abcd-glass-1 (9af3): Bind for 127.0.0.1:9401 failed: port is already allocated",
        "Error starting userland proxy: listen tcp4 127.0.0.1:9401: bind: address already in use",
        "failed to bind host port for 127.0.0.1:9401:172.18.0.6:7401/tcp: address already in use",
        "Ports are not available: exposing port TCP 127.0.0.1:9401 -> 0.0.0.0:0: listen tcp",
    ],
)
def test_the_port_is_named_with_the_remedy(said: str) -> None:
    found = ports.busy(SETTINGS, f"  Container jaeger  Started\n  {said}")

    assert found.startswith("Another program holds port 9401 (glass); stop it")
    assert "TTG_PORT_BASE=9500" in found


@pytest.mark.parametrize(
    "said",
    [
        "",
        "dependency failed to start: 127.0.0.1:9401",
        "Bind for 1.2.3.4:80: address already in use",
    ],
)
def test_nothing_else_is_a_port_of_ours(said: str) -> None:
    assert ports.busy(SETTINGS, said) == ""


def test_the_sentence_is_that_of_the_look_before_the_start() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        number = held.getsockname()[1]
        settings = Settings(Path("/state"), Path("/cache"), number)
        with pytest.raises(OperatorError) as error:
            checks.check_ports(settings, ["ingest"])

    said = f"Bind for 127.0.0.1:{number} failed: port is already allocated"
    assert ports.busy(settings, said) == str(error.value)

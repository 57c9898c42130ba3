"""What the stages are told, and what of the shell reaches them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from tools.native import stack
from tools.native.settings import Settings

SETTINGS = Settings(Path("/state"), Path("/cache"), 7_400)
OWN = "http://127.0.0.1:7404"


def endpoint(shell: dict[str, str]) -> str:
    return stack.reached(SETTINGS, "key", "password", shell).otel_exporter_otlp_endpoint


@pytest.mark.parametrize("wish", ["https://otlp.example:4317", "http://127.0.0.1:4317", "odd:port"])
def test_spans_go_where_the_shell_wishes_and_the_env_file_says_so(wish: str) -> None:
    assert endpoint({"OTEL_EXPORTER_OTLP_ENDPOINT": wish}) == wish
    sourced = {"JAEGER_URL": "http://127.0.0.1:7402", "OTEL_EXPORTER_OTLP_ENDPOINT": wish}
    assert endpoint(sourced) == wish


def test_without_a_wish_spans_go_to_the_jaeger_of_the_stack() -> None:
    assert endpoint({}) == OWN
    assert endpoint({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}) == OWN


def test_the_endpoint_of_another_stack_that_was_sourced_is_no_wish() -> None:
    other = stack.reached(Settings(Path("/o"), Path("/c"), 9_400), "key", "password", {})

    assert endpoint({name.upper(): value for name, value in asdict(other).items()}) == OWN


def test_the_key_that_is_printed_works_beside_those_of_the_shell() -> None:
    assert stack.api_keys("own", {}) == "default=own"
    assert stack.api_keys("own", {"INGEST_API_KEYS": "a=1,b=2"}) == "a=1,b=2,default=own"
    assert stack.api_keys("own", {"INGEST_API_KEYS": " a=1, "}) == "a=1,default=own"


def test_the_database_is_reached_without_tls_whatever_the_shell_says() -> None:
    url = stack.reached(SETTINGS, "key", "password", {"PGSSLMODE": "require"}).database_url

    assert url == "postgresql://ttg:password@127.0.0.1:7408/ttg?sslmode=disable"


def test_a_proxy_is_not_asked_for_what_is_on_this_machine() -> None:
    assert stack.without_proxy({}) == {}
    assert stack.without_proxy({"http_proxy": ""}) == {}
    for name in ("http_proxy", "HTTPS_PROXY", "grpc_proxy", "ALL_PROXY"):
        found = stack.without_proxy({name: "http://proxy:3128", "no_proxy": ".internal"})
        assert found["no_proxy"] == ".internal,127.0.0.1,localhost"
        assert found["NO_PROXY"] == "127.0.0.1,localhost"

"""What is refused at the start, because the SDK would take it and not do it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from opentelemetry.util.re import parse_env_headers
from pydantic import ValidationError

from libs.tracing.settings import ExportSettings


@pytest.mark.parametrize(
    "headers",
    [
        "",
        "api-key=abc",
        "api-key=abc\n",
        " Api-Key = a=b , other=%20x,",
        "authorization=Basic dXNlcjpwYXNz",
    ],
)
def test_headers_that_the_sdk_reads_are_taken(
    monkeypatch: pytest.MonkeyPatch, headers: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)

    ExportSettings()


@pytest.mark.parametrize("signal", ["", "TRACES_", "METRICS_", "LOGS_"])
@pytest.mark.parametrize("headers", ["s3cret", "api-key: s3cret", "a=1,s3cret", 'api-key="s3cret"'])
def test_headers_that_the_sdk_would_log_are_refused_without_telling_them(
    monkeypatch: pytest.MonkeyPatch, signal: str, headers: str
) -> None:
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{signal}HEADERS", headers)

    with pytest.raises(ValidationError, match="must be name=value") as refused:
        ExportSettings()
    assert "s3cret" not in str(refused.value)


@settings(deadline=None)
@given(headers=st.text('aZ0-_.%=:;"\\ \t,/é\n', max_size=12))
def test_headers_that_are_taken_are_read_by_the_sdk(headers: str) -> None:
    try:
        ExportSettings.model_validate({"exporter_otlp_headers": headers})
    except ValidationError:
        return

    members = [member for member in map(str.strip, headers.split(",")) if member]
    assert all(parse_env_headers(member, liberal=True) for member in members)


def test_a_key_is_not_printed_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret")

    assert "s3cret" not in repr(ExportSettings())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "deflate"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/nowhere/ca.pem"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-1"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ValidationError):
        ExportSettings()


def test_a_variable_that_is_empty_is_as_if_it_were_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SDK_DISABLED", "EXPORTER_OTLP_COMPRESSION", "ATTRIBUTE_VALUE_LENGTH_LIMIT"):
        monkeypatch.setenv(f"OTEL_{name}", "")

    assert ExportSettings() == ExportSettings.model_construct()


def test_a_certificate_that_is_there_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = tmp_path / "ca.pem"
    certificate.touch()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificate))

    assert ExportSettings().exporter_otlp_certificate == certificate

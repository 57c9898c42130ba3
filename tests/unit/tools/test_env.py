"""The file that a shell sources, written and read back."""

from __future__ import annotations

import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from tools import env
from tools.env import StackEnv
from tools.errors import OperatorError

VALUES = StackEnv(
    ingest_url="http://127.0.0.1:7400",
    api_key="a key with 'quotes' and $(words)",
    glass_url="http://127.0.0.1:7401",
    jaeger_url="http://127.0.0.1:7402",
    otel_exporter_otlp_endpoint="http://127.0.0.1:7404",
    kafka_bootstrap_servers="127.0.0.1:7406",
    database_url="postgresql://ttg:p&w#d@127.0.0.1:7408/ttg",
)


def test_what_is_written_is_read_back() -> None:
    assert env.parse(env.render(VALUES)) == VALUES


def test_a_value_that_is_missing_is_named_with_the_remedy() -> None:
    text = "\n".join(line for line in env.render(VALUES).splitlines() if "GLASS" not in line)

    with pytest.raises(OperatorError, match=r"GLASS_URL; run `make up`"):
        env.parse(text)


def test_without_a_stack_the_error_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTG_STATE_DIR", str(tmp_path))

    with pytest.raises(OperatorError, match="run `make up`"):
        env.load()


def test_every_name_is_one_that_a_shell_takes() -> None:
    names = [line.split("=")[0].removeprefix("export ") for line in env.render(VALUES).splitlines()]

    assert names == [field.name.upper() for field in fields(StackEnv)]


def test_a_shell_reads_the_same_values(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(env.render(VALUES))
    shell = ["/bin/sh", "-c", '. "$0"; printf %s "$API_KEY"', str(tmp_path / "env")]

    read = subprocess.run(shell, capture_output=True, text=True, check=True)  # noqa: S603
    assert read.stdout == VALUES.api_key

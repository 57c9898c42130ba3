"""Files of settings for the stages, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import settings_file
from tools.errors import OperatorError
from tools.settings_file import parse


def test_variables_and_replicas_are_read_and_remarks_are_not() -> None:
    read = parse("# why\n\nKAFKA_LINGER_MS=5\nexport SINK_REPLICAS='2'\n", "tuned.env")

    assert read.variables == {"KAFKA_LINGER_MS": "5"}
    assert read.replicas == {"sink": 2}


def test_what_the_shell_says_wins() -> None:
    read = parse("KAFKA_LINGER_MS=5\nINGEST_LINGER_S=0", "tuned.env")

    assert read.under({"KAFKA_LINGER_MS": "7", "HOME": "/"}) == {
        "KAFKA_LINGER_MS": "7",
        "INGEST_LINGER_S": "0",
        "HOME": "/",
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("KAFKA_LINGR_MS=5", "no stage has a setting KAFKA_LINGR_MS. Is KAFKA_LINGER_MS meant?"),
        ("PATH=/bin", "no stage has a setting PATH."),
        ("KAFKA_LINGER_MS=soon", "KAFKA_LINGER_MS=soon is wrong: Input should be a valid integer"),
        ("KAFKA_LINGER_MS=-1", "greater than or equal to 0"),
        ("KAFKA_COMPRESSION_TYPE=gz", "Input should be 'zstd', 'snappy' or 'none'"),
        ("OTEL_TRACES_SAMPLER_ARG=2", "less than or equal to 1"),
        ("SINK_REPLICAS=13", "SINK_REPLICAS=13 is not from 1 to 12"),
        ("SINK_REPLICAS=two", "SINK_REPLICAS=two is wrong"),
        ("INGEST_REPLICAS=2", "no stage has a setting INGEST_REPLICAS"),
        ("DATABASE_URL=postgresql://x", "DATABASE_URL is set by the stack itself"),
        ("INGEST_API_KEYS=a=b", "INGEST_API_KEYS is set by the stack itself"),
        ("OTEL_EXPORTER_OTLP_HEADERS=api-key=x", "belongs in the shell of `make up`"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT=http://x", "belongs in the shell of `make up`"),
        ("GLASS_API_KEYS=a=b", "belongs in the shell of `make up`"),
        ("hello", "'hello' is not NAME=value"),
        ("KAFKA_LINGER_MS=5\nKAFKA_LINGER_MS=6", "KAFKA_LINGER_MS is set for the second time"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(line: str, said: str) -> None:
    with pytest.raises(OperatorError) as raised:
        parse(f"# settings\n{line}\n", "tuned.env")

    number = 1 + line.count("\n") + 1
    assert str(raised.value).startswith(f"tuned.env, line {number}: ")
    assert said in str(raised.value)


def test_what_is_said_of_a_secret_does_not_hold_it() -> None:
    with pytest.raises(OperatorError) as raised:
        parse("GLASS_API_KEYS=tenant=hush", "tuned.env")

    assert "hush" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"gone\.env cannot be read"):
        settings_file.read(tmp_path / "gone.env")


@pytest.mark.parametrize(
    ("written", "shell"),
    [
        ("INGEST_RECORD_BYTES_MAX=200000\nKAFKA_MAX_REQUEST_SIZE=100000", {}),
        ("INGEST_RECORD_BYTES_MAX=200000", {"KAFKA_MAX_REQUEST_SIZE": "100000"}),
    ],
)
def test_values_that_contradict_each_other_are_refused(
    tmp_path: Path, written: str, shell: dict[str, str]
) -> None:
    path = tmp_path / "tuned.env"
    path.write_text(written)

    with pytest.raises(OperatorError) as raised:
        settings_file.read(path, shell)
    assert str(raised.value) == (
        f"{path}, with what the shell says: INGEST_RECORD_BYTES_MAX must not be above "
        "KAFKA_MAX_REQUEST_SIZE, which is 100000."
    )


def test_a_shell_that_wins_may_take_a_contradiction_away(tmp_path: Path) -> None:
    path = tmp_path / "tuned.env"
    path.write_text("INGEST_RECORD_BYTES_MAX=200000\nKAFKA_MAX_REQUEST_SIZE=100000")

    read = settings_file.read(path, {"INGEST_RECORD_BYTES_MAX": "50000"})
    assert read.variables["INGEST_RECORD_BYTES_MAX"] == "200000"


def test_a_value_that_only_its_stage_can_judge_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tuned.env"
    path.write_text("SINK_FAILPOINTS=nonsense")

    with pytest.raises(OperatorError, match=r"tuned\.env, with what the shell says: failpoints: "):
        settings_file.read(path, {})

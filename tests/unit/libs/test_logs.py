"""Logs as another process reads them: run in a process of its own, read from its stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SCRIPT = """
import logging, structlog
from libs import logs
logs.setup("sink", 2)
{body}
"""


def logged(body: str) -> list[dict[str, Any]]:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", SCRIPT.format(body=body)],
        capture_output=True,
        text=True,
        check=True,
        timeout=15,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_is_one_object_with_stage_and_replica() -> None:
    (line,) = logged("structlog.get_logger().info('ready', port=7400)")

    assert (line["event"], line["stage"], line["replica"]) == ("ready", "sink", 2)
    assert (line["level"], line["port"]) == ("info", 7400)


def test_the_readiness_gate_finds_its_words() -> None:
    body = "structlog.get_logger().info('ready')"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", SCRIPT.format(body=body)],
        capture_output=True,
        text=True,
        check=True,
        timeout=15,
    )

    assert '"event":"ready"' in done.stdout


def test_a_traceback_tells_where_and_not_with_what() -> None:
    (line,) = logged(
        """
def connect(password):
    raise OSError("refused")
try:
    connect("pass" + "word-7")
except OSError:
    structlog.get_logger().exception("died")
"""
    )

    assert line["exception"][0]["exc_value"] == "refused"
    assert "password-7" not in json.dumps(line)


def test_a_librarys_line_looks_the_same() -> None:
    (line,) = logged("logging.getLogger('aiokafka.conn').warning('lost %s', 'node 1')")

    assert (line["event"], line["stage"], line["level"]) == ("lost node 1", "sink", "warning")


def test_a_library_that_repeats_itself_is_heard_once() -> None:
    lines = logged("[logging.getLogger('aiokafka.conn').warning('lost %s', n) for n in range(99)]")

    assert [line["event"] for line in lines] == ["lost 0"]


def test_what_the_project_says_is_never_held_back() -> None:
    lines = logged("[structlog.get_logger('libs.stage').info('dead letter') for _ in range(5)]")

    assert len(lines) == 5


def test_a_library_never_logs_the_values_of_records() -> None:
    assert logged("logging.getLogger('aiokafka.producer').debug('value=%s', 'secret')") == []


def test_an_exception_is_one_line() -> None:
    body = (
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    structlog.get_logger().exception('died')"
    )

    (line,) = logged(body)
    assert line["exception"][0]["exc_type"] == "ZeroDivisionError"

"""The jars of the broker, as their lock file names them."""

from __future__ import annotations

import re

import pytest

from tools.native import kafka
from tools.native.wheels import DEPLOY


def test_every_jar_is_pinned_by_its_hash_and_named_once() -> None:
    jars = kafka.locked((DEPLOY / "kafka.lock").read_text())

    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert len({(jar.group, jar.name) for jar in jars}) == len(jars)


def test_the_broker_in_the_lock_is_the_version_that_is_cached() -> None:
    jars = kafka.locked((DEPLOY / "kafka.lock").read_text())

    versions = {jar.version for jar in jars if jar.group == "org.apache.kafka"}
    assert versions == {kafka.VERSION}


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/home/alice/.ttg", "/home/alice/.ttg"),
        ("/with space", "/with space"),
        ("/é", r"/\u00e9"),
        ("/𝄞", r"/\ud834\udd1e"),
        ("/back\\slash", r"/back\\slash"),
    ],
)
def test_a_path_is_written_so_that_java_reads_it_back(path: str, written: str) -> None:
    assert kafka.escaped(path) == written

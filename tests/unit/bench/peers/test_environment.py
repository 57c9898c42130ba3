"""The environment of the peers: what pins it, and that ours has none of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bench.peers import environment

ROOT = Path(__file__).parents[4]
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def group() -> dict[str, str]:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    pins = (re.sub(r"\[.*\]", "", wanted).split("==") for wanted in groups["peers"])
    return dict((name, version) for name, version in pins)


def test_the_lock_holds_what_the_group_asks_for() -> None:
    locked = dict(PIN.findall(environment.LOCK.read_text()))

    assert {name: locked[name] for name in group()} == group()


def test_every_package_of_the_lock_has_a_hash() -> None:
    text = environment.LOCK.read_text()
    entries = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]

    assert len(entries) > len(group())
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_peers_are_not_among_what_everybody_installs() -> None:
    everybody = dict(PIN.findall((ROOT / "requirements.lock").read_text()))

    assert not {"faststream", "quixstreams"} & everybody.keys()


def test_what_both_use_is_of_the_same_version() -> None:
    everybody = dict(PIN.findall((ROOT / "requirements.lock").read_text()))
    shared = group().keys() & everybody.keys()

    assert {"aiokafka", "asyncpg", "msgspec", "opentelemetry-sdk"} <= shared
    assert {name: everybody[name] for name in shared} == {name: group()[name] for name in shared}


def test_where_nothing_was_installed_nothing_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTG_CACHE_DIR", str(tmp_path))

    assert environment.found() is None


def test_what_was_installed_is_found_until_the_lock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("one==1\n")
    monkeypatch.setenv("TTG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(environment, "LOCK", lock)
    monkeypatch.setattr(environment, "_make", lambda folder: (folder / "bin").mkdir())

    made = environment.ready()
    assert environment.found() == made
    lock.write_text("one==2\n")
    assert environment.found() is None

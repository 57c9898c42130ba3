"""What an operator may set, and what he is told when it does not work."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.native.settings import PORT_BASE, PORT_OFFSETS, cache_dir, read


def test_without_settings_the_stack_is_in_the_repository_at_the_usual_ports() -> None:
    settings = read({})

    assert settings.port("ingest") == PORT_BASE
    assert settings.port("postgres") == PORT_BASE + 8
    assert settings.state.name == ".ttg"
    assert settings.cache.name == "ttg"


def test_ports_follow_their_base_and_none_is_used_twice() -> None:
    settings = read({"TTG_PORT_BASE": "21000"})

    ports = [settings.port(name) for name in PORT_OFFSETS]
    assert min(ports) == 21_000
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("base", ["80", "65530", "no", "-1", "7400.5"])
def test_a_base_that_is_no_port_is_refused_by_its_name(base: str) -> None:
    with pytest.raises(OperatorError, match="TTG_PORT_BASE"):
        read({"TTG_PORT_BASE": base})


def test_a_mode_that_is_not_known_is_refused_with_those_that_are() -> None:
    assert [read({"MODE": name}).mode for name in ("native", "compose", "")] == [
        "native",
        "compose",
        "",
    ]
    with pytest.raises(OperatorError, match="use MODE=compose or MODE=native"):
        read({"MODE": "cloud"})


def test_the_cache_is_where_caches_are() -> None:
    assert str(read({"XDG_CACHE_HOME": "/somewhere"}).cache) == "/somewhere/ttg"
    assert str(read({"TTG_CACHE_DIR": "/else", "XDG_CACHE_HOME": "/x"}).cache) == "/else"


def test_without_a_home_the_account_has_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)

    assert cache_dir({}) == Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache/ttg"


def test_where_there_is_no_home_at_all_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(OperatorError, match="set TTG_CACHE_DIR"):
        cache_dir({})

"""How the two Go programs are built, and what remains of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.native import cache, golang


def test_gos_caches_are_in_ours_unless_somebody_chose_others() -> None:
    ours = golang.environment(Path("/cache"), {})
    assert ours["GOCACHE"] == "/cache/.go/build"
    assert ours["GOMODCACHE"] == "/cache/.go/modules"
    assert "-modcacherw" in ours["GOFLAGS"].split()

    chosen = golang.environment(Path("/cache"), {"GOMODCACHE": "/mine", "GOCACHE": ""})
    assert (chosen["GOMODCACHE"], chosen["GOCACHE"]) == ("/mine", "/cache/.go/build")


def test_gos_caches_go_when_the_builds_are_done(tmp_path: Path) -> None:
    (tmp_path / ".go" / "modules").mkdir(parents=True)

    golang.forget_caches(tmp_path)
    assert not (tmp_path / ".go").exists()
    golang.forget_caches(tmp_path)


def test_gos_caches_stay_while_another_process_builds(tmp_path: Path) -> None:
    (tmp_path / ".go").mkdir()

    with cache.locked(tmp_path, "go"):
        golang.forget_caches(tmp_path)
    assert (tmp_path / ".go").is_dir()


def test_what_is_neither_on_the_path_nor_in_the_cache_must_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert golang.must_build(golang.JAEGER, tmp_path)

    cache.install(tmp_path, "jaeger-1.76.0", lambda _: None)
    assert not golang.must_build(golang.JAEGER, tmp_path)


@pytest.mark.parametrize(("version", "must_build"), [("v2.9.0", True), ("v2.13.0", False)])
def test_a_program_on_the_path_must_be_recent_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, must_build: bool
) -> None:
    program = tmp_path / "jaeger"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert golang.must_build(golang.JAEGER, tmp_path / "cache") is must_build

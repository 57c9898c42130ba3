"""What is found out before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.native import checks, golang
from tools.native.settings import Settings


def test_a_port_that_somebody_holds_is_named_with_the_variable_to_set(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        base = taken.getsockname()[1] - 8

        with pytest.raises(OperatorError, match=rf"{base + 8} \(postgres\).*TTG_PORT_BASE"):
            checks.check_ports(Settings(tmp_path, tmp_path, base))


def test_an_old_python_is_told_which_one_is_needed() -> None:
    checks.check_python((3, 11, 0))
    with pytest.raises(OperatorError, match=r"Python 3\.10\.2; install Python 3\.11"):
        checks.check_python((3, 10, 2))


def test_a_full_disk_is_noticed_before_it_hurts(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="are needed; make room, or set TTG_CACHE_DIR"):
        checks.check_folder(tmp_path, 1 << 60, "TTG_CACHE_DIR")


def test_a_folder_that_does_not_exist_yet_is_judged_by_the_one_above_it(tmp_path: Path) -> None:
    checks.check_folder(tmp_path / "not" / "yet", 0, "TTG_STATE_DIR")


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OperatorError, match="set TTG_STATE_DIR to a folder"):
        checks.check_folder(tmp_path / "file", 0, "TTG_STATE_DIR")


def test_a_build_needs_more_room_than_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, int] = {}
    monkeypatch.setattr(checks, "check_ports", lambda _: None)
    monkeypatch.setattr(
        checks, "check_folder", lambda _, needed, variable: asked.update({variable: needed})
    )

    for must_build, needed in ((True, checks.BUILD_FREE_BYTES_MIN), (False, checks.FREE_BYTES_MIN)):
        monkeypatch.setattr(golang, "must_build", lambda *_, answer=must_build: answer)
        checks.check(Settings(tmp_path, tmp_path))
        assert asked["TTG_CACHE_DIR"] == needed


@pytest.mark.parametrize(
    ("folder", "unusable"),
    [
        ("a,b", ","),
        ('a"b', '"'),
        ("a\\b", "\\"),
        ("a{{b", "{{"),
        ("a\nb", "\n"),
        ("a\udcffb", "\udcff"),
    ],
)
def test_a_path_that_a_program_would_misread_is_refused(folder: str, unusable: str) -> None:
    with pytest.raises(OperatorError, match="set TTG_STATE_DIR to another") as refused:
        checks.check_paths(Settings(Path("/", folder), Path("/cache")), Path("/repository"))
    assert f"holds {unusable!r}" in str(refused.value)


def test_each_folder_has_its_own_separator_and_remedy() -> None:
    with pytest.raises(OperatorError, match="set TTG_CACHE_DIR"):
        checks.check_paths(Settings(Path("/state"), Path("/a:b")), Path("/repository"))
    with pytest.raises(OperatorError, match="move the repository"):
        checks.check_paths(Settings(Path("/state"), Path("/cache")), Path("/a:b"))


def test_spaces_accents_and_signs_of_the_shell_are_fine_in_a_path() -> None:
    checks.check_paths(Settings(Path("/a b/é:$HOME"), Path("/a b/é,'#%41"), 1), Path("/a b/é,$x"))

"""What another account may read of PostgreSQL's programs."""

from __future__ import annotations

from pathlib import Path

from tools.native.postgres import open_to_all


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_a_strict_umask_closed_is_opened_for_reading_and_running(tmp_path: Path) -> None:
    folder = tmp_path / "wheel"
    (folder / "bin").mkdir(parents=True)
    for name, owners in (("postgres", 0o700), ("README", 0o600)):
        (folder / "bin" / name).touch()
        (folder / "bin" / name).chmod(owners)
    (folder / "bin" / "gone").symlink_to("nowhere")
    (folder / "bin").chmod(0o700)
    folder.chmod(0o700)

    open_to_all(folder)
    assert mode(folder) == mode(folder / "bin") == 0o755
    assert mode(folder / "bin" / "postgres") == 0o755
    assert mode(folder / "bin" / "README") == 0o644

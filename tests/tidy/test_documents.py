"""What the documents say, held against what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from libs.tracing.names import (
    COMMIT,
    COPY,
    INSERT,
    PROCESS,
    QUEUE,
    ROOT as ROOT_SPAN,
    SEND,
    SERVER,
)
from services.topology import PIPELINE, TOPICS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
TEST = re.compile(r"`(test_\w+)`")
COMMAND = re.compile(r"^\s*(?:\$ )?make ([a-z-]+)", re.MULTILINE)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    dead = [
        link
        for link in LINK.findall(document.read_text())
        if not (document.parent / link).resolve().exists()
    ]

    assert not dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_command_exists(document: Path) -> None:
    assert set(COMMAND.findall(document.read_text())) <= targets()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    known = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    missing = {name for name in TEST.findall(document.read_text()) if f"def {name}(" not in known}

    assert not missing


def test_every_make_target_has_a_line_of_help() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    bare = [line for line in lines if re.match(r"^[a-z-]+:(?!.*## )", line)]

    assert not bare


def test_the_readme_begins_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()

    assert COMMAND.findall(text)[:2] == ["up", "test"]


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_readme_names_every_stage_and_topic_of_the_map() -> None:
    text = (ROOT / "README.md").read_text()

    for name in (*TOPICS, *(hop.stage for hop in PIPELINE)):
        assert name in text


def test_the_readmes_picture_shows_every_span_of_a_waterfall() -> None:
    said = set(re.findall(r">([^<>]+)</text>", (ROOT / "docs/images/waterfall.svg").read_text()))

    hops = [verb.format(topic=t) for verb in (SEND, QUEUE, PROCESS) for t in TOPICS]
    table = [f"{verb} event" for verb in (COPY, INSERT)]
    assert {ROOT_SPAN, SERVER, *hops, *table, COMMIT} <= said


def test_no_package_registry_is_named_anywhere() -> None:
    hosts = re.compile(r"pypi\.org|pythonhosted|proxy\.golang|repo1\.maven|registry\.npmjs")
    suffixes = {".py", ".md", ".toml", ".lock", ".yaml", ".mod", ".sum", ".sh", ".html", ".js"}
    folders = ("services", "libs", "tools", "bench", "deploy", "docs")
    files = [ROOT / "Makefile", ROOT / ".ci" / "run", *ROOT.glob("*.*")]
    files += [path for folder in folders for path in (ROOT / folder).rglob("*")]
    named = [
        path.name
        for path in files
        if path.is_file() and path.suffix in {*suffixes, ""} and hosts.search(path.read_text())
    ]

    assert not named

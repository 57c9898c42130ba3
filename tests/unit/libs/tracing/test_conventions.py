"""The declared names, held against the documents and against each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind

from libs.tracing import names
from tests.conventions import (
    CONVENTIONS,
    MEASURES,
    RECORDS,
    RESOURCE,
    constants,
    declared_attributes,
    violations,
)

DOCUMENT = (Path(__file__).parents[4] / "docs" / "tracing.md").read_text()


def test_every_name_of_an_attribute_is_declared_with_its_type() -> None:
    declared = declared_attributes() | RESOURCE.required.keys() | MEASURES.keys() | RECORDS.keys()

    assert constants() - declared == set()


@pytest.mark.parametrize("name", sorted(declared_attributes()))
def test_the_document_tells_of_every_attribute(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_document_shows_every_span(name: str) -> None:
    assert name in DOCUMENT


@pytest.mark.parametrize("name", MEASURES)
def test_the_document_tells_of_every_measure(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


@pytest.mark.parametrize("name", RECORDS)
def test_the_document_tells_of_every_record(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


def test_what_does_not_conform_is_found() -> None:
    attributes = {names.DB_SYSTEM: "postgresql", names.DB_NAMESPACE: 7, "db.secret": "x"}

    found = list(violations(names.COMMIT, SpanKind.SERVER, "glass", attributes))
    assert len(found) == 6
    assert list(violations("poll events.raw", SpanKind.CLIENT, "sink", {})) == [
        "poll events.raw: no such span is declared"
    ]

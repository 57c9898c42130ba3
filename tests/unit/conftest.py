"""What unit tests share."""

from __future__ import annotations

import pytest

from libs.tracing import Span


@pytest.fixture
def built_spans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all spans that were built at all, emitted or not."""
    built: list[str] = []
    build = Span.__init__

    def counting(span: Span, name: str, *arguments: object, **others: object) -> None:
        built.append(name)
        build(span, name, *arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(Span, "__init__", counting)
    return built

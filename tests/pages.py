"""A page as a browser would read it, for tests of what is in it."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

VOID = {"meta", "img", "line", "circle", "rect", "polyline", "br"}


class Page(HTMLParser):
    """Refuses what is not closed in order, and collects links, ids and what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.fetched: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        named = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(named["href"])
        if "id" in named:
            assert named["id"] not in self.ids
            self.ids.add(named["id"])
        self.fetched += [named[name] for name in ("src", "srcset", "data") if name in named]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

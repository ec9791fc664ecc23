"""A page as a browser would read it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from heuristic_core.report import write_report

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Checks that tags are closed in order and collects what a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "script":
            self.scripts.append(data)
        if self.stack and self.stack[-1] not in {"style", "code", "script"}:
            self.words.append(data)

    @property
    def explored(self) -> dict:
        """What a reader explores: the data that the page's charts draw."""
        return json.loads(self.scripts[0]) if self.scripts else {}

    @property
    def figures(self) -> int:
        """How many figures there are, without the bars of the first screen."""
        bars = sum(key == "class" and value in ("bar", "axis") for key, value in self.attributes)
        return self.tags.count("svg") - bars

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def write(results, folder) -> Page:
    return read(write_report(results, folder))


def read(path) -> Page:
    page = Page(path.read_text(encoding="utf-8"))
    assert not re.search(r"\b(nan|None|inf|undefined)\b", page.text)
    return page

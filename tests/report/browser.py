"""A page in a real browser, with all that it says to the console and asks of the network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Names of the page's controls, with those whose parts are folded at first.
CONTROLS = ("measure", "of", "beside", "step", "x", "y", "edges", "least")


@contextmanager
def browser() -> Iterator:
    """Start a browser of this machine, or skip the tests that need one."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"there is no browser here ({', '.join(BROWSERS)}); install Debian's chromium")
    with playwright.sync_playwright() as tools:
        # Containers run as root, where a browser cannot shut itself in.
        started = tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


class View:
    """A page that is open, at one width and in one scheme of colours."""

    def __init__(self, started, path: Path, fragment: str = "", *, width=1440, scheme="light"):
        size = {"width": width, "height": 900}
        self.context = started.new_context(viewport=size, color_scheme=scheme)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.address = path.as_uri()
        self.page.goto(f"{self.address}{fragment}")
        self.drawn()

    def drawn(self) -> None:
        """Wait until all charts stand."""
        self.page.evaluate("() => window.drawn?.()")

    def unfold(self) -> None:
        """Open all that is folded in the explorer."""
        self.page.evaluate(
            "document.querySelectorAll('.explore details').forEach(d => d.open = true)"
        )
        self.page.wait_for_timeout(50)
        self.drawn()

    def move(self, control: str, to: int) -> None:
        """Choose the option of a control, or the position of a slider in per cent."""
        self.page.evaluate(
            """([id, to]) => {
              const node = document.getElementById(id);
              if (node.tagName === "SELECT") node.selectedIndex = to % node.options.length;
              else node.value = +node.min + (node.max - node.min) * to / 100;
              node.dispatchEvent(new Event("input", { bubbles: true }));
            }""",
            [control, to],
        )
        self.drawn()

    def state(self) -> dict[str, str]:
        """Return the state that the address holds."""
        return self.page.evaluate(
            "Object.fromEntries(new URLSearchParams(location.hash.split('?')[1] || ''))"
        )

    def check(self) -> None:
        """Make sure that nothing was said to the console and nothing asked of the network."""
        assert self.said == []
        assert {url.split("#")[0] for url in self.asked} <= {self.address}

    def close(self) -> None:
        self.context.close()

"""What a test reads off a figure."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

_SPACE = "{http://www.w3.org/2000/svg}"


class Svg:
    """A figure on disk.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.root = ElementTree.fromstring(path.read_text(encoding="utf-8"))

    @property
    def words(self) -> list[str]:
        """All texts that are drawn, in their order."""
        return ["".join(text.itertext()).strip() for text in self.root.iter(f"{_SPACE}text")]

    def group(self, ending: str) -> ElementTree.Element:
        """Give the one group whose id ends so."""
        found = self.groups(re.escape(ending))
        assert len(found) == 1, [group.get("id") for group in found]
        return found[0]

    def groups(self, ending: str) -> list[ElementTree.Element]:
        """Give all groups whose ids end in what a pattern describes."""
        groups = self.root.iter(f"{_SPACE}g")
        return [g for g in groups if re.search(f"{ending}$", g.get("id") or "")]


def marks(group: ElementTree.Element) -> list[tuple[float, float]]:
    """Give where the marks of a line are."""
    uses = [use for use in group.iter(f"{_SPACE}use") if use.get("x") is not None]
    return [(float(use.get("x", "")), float(use.get("y", ""))) for use in uses]


def widths(groups: list[ElementTree.Element]) -> list[float]:
    """Give the width of each group's first stroke."""
    styles = [
        path.get("style", "") for group in groups for path in list(group.iter(f"{_SPACE}path"))[:1]
    ]
    return [float(m[1]) if (m := re.search(r"stroke-width: ([\d.]+)", s)) else 1.0 for s in styles]

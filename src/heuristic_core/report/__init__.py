"""From a run's stored results to what people read: a page, figures, tables, the terminal."""

from .html import write_report
from .results import Results
from .terminal import render

__all__ = ["Results", "render", "write_report"]

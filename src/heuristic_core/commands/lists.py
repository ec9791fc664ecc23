"""Commands that list what the program knows."""

from __future__ import annotations

from rich.table import Table

from ..models.families import FAMILIES
from ..models.sources import PACKAGED
from ..search.find import METHODS
from ..tasks import TASKS
from .console import JsonOption, out, print_json

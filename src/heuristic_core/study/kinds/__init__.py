"""The kinds of cells, one a file: how each is planned, what it computes, which tables it fills."""

from __future__ import annotations

from ..store import Cell
from .attention import ATTENTION
from .attention_maps import ATTENTION_MAPS
from .dependency import DEPENDENCY
from .disjoint import DISJOINT
from .evaluate import EVALUATE
from .finetune import FINETUNE
from .kind import Kind
from .necessity import NECESSITY
from .prepare import PREPARE
from .probe import PROBE
from .removal import REMOVAL
from .repelled import REPELLED
from .search import SEARCH
from .targeted import TARGETED
from .validity import VALIDITY

#: All kinds of cells.
KINDS: tuple[Kind, ...] = (
    FINETUNE,
    PREPARE,
    SEARCH,
    EVALUATE,
    DISJOINT,
    REMOVAL,
    PROBE,
    ATTENTION,
    ATTENTION_MAPS,
    DEPENDENCY,
    TARGETED,
    REPELLED,
    NECESSITY,
    VALIDITY,
)


def kind_of(cell: Cell) -> Kind:
    """Return a cell's kind."""
    return next(kind for kind in KINDS if kind.name == cell.kind)

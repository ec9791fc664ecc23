"""Cards of what is on the hub: what it is, how it was made, how to load it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import one_line
from .client import LIBRARY, NAME

_SUBNETWORK = """# {name}

A *subnetwork* of a fine-tuned transformer classifier: {heads} of {all_heads} attention heads and
{mlps} of {layers} MLP layers are kept. The output of every other unit is replaced; no weight is
changed. It holds no weights of the model, which is loaded beside it.

## How it was found

{facts}

## Units

One line a layer; `#` is a head that is kept, `.` one that is dropped.

```
{grid}
```

## How to load it

```python
import heuristic_core as hc

subnetwork = hc.Subnetwork.from_pretrained("{repo_id}")
model = hc.load_model("{model}")
with subnetwork.applied(model):
    ...  # the model runs as the subnetwork
small = subnetwork.compact(model)  # a smaller model with the same answers
```

That a subnetwork agrees with the model on its task does not say that it agrees elsewhere, nor
with other subnetworks: measure that before use.
"""

_RUN = """# {name}

A finished study of subnetworks of a fine-tuned transformer classifier: its configuration, all
measured tables, verdicts, and a report (`report/report.html`). It holds no weights.

{story}

## Verdicts

{verdicts}

## How to load it

```python
import heuristic_core as hc

run = hc.LoadedRun.from_hub("{repo_id}")
run.verdicts  # and run.tables, run.figures, run.core(), run.subnetworks()
```

A verdict is about this model, this task and these data. *Not decided* says that they do not tell;
the report says what would.
"""


def subnetwork_card(record: Mapping[str, Any], replacement: str, repo_id: str) -> str:
    """Write the card of a subnetwork.

    Args:
        record: Its record, as it is saved.
        replacement: What becomes of the dropped units' outputs.
        repo_id: The repository that the card is for.
    """
    heads, kept = record["heads_per_layer"], set(record["kept"])
    known = record["provenance"]
    n_mlps = sum(label.endswith("MLP") for label in kept)
    model = known.get("model")
    text = _SUBNETWORK.format(
        name=repo_id.rpartition("/")[2],
        heads=len(kept) - n_mlps,
        all_heads=sum(heads),
        mlps=n_mlps,
        layers=len(heads),
        facts=_facts(
            {
                "model": model,
                "family": known.get("family"),
                "task": known.get("task"),
                "method": known.get("method"),
                "seed of the search": known.get("seed"),
                "sparsity asked for": known.get("target"),
                "sparsity of all units": f"{record['sparsity']:.1%}",
                "sparsity of the heads": f"{record['head_sparsity']:.1%}",
                "the dropped units' outputs become": replacement,
            }
        ),
        grid="\n".join(_layers(heads, kept)),
        repo_id=repo_id,
        model=one_line(str(model or "the model it was found in"), 120),
    )
    return _card(text, kind="model", tags=["subnetwork"], base_model=_on_the_hub(model))


def run_card(name: str, story: str, verdicts: Iterable[tuple[str, str, str]], repo_id: str) -> str:
    """Write the card of a run.

    Args:
        name: The study's name.
        story: What was done, in a few sentences.
        verdicts: Each verdict's claim, what it is about, and its decision.
        repo_id: The repository that the card is for.
    """
    rows = [f"| {' | '.join(_cell(text) for text in row)} |" for row in verdicts]
    table = "\n".join(["| claim | about | decision |", "|---|---|---|", *rows])
    text = _RUN.format(name=one_line(name, 120), story=story, verdicts=table, repo_id=repo_id)
    return _card(text, kind="dataset", tags=["interpretability"])


def _card(text: str, *, kind: str, tags: list[str], base_model: str | None = None) -> str:
    """Put what the hub indexes above what people read."""
    from huggingface_hub import DatasetCardData, ModelCardData  # takes a moment

    data = (
        ModelCardData(library_name=LIBRARY, base_model=base_model, tags=[LIBRARY, *tags])
        if kind == "model"
        else DatasetCardData(tags=[LIBRARY, *tags])
    )
    return f"---\n{data.to_yaml()}\n---\n\n{text.strip()}\n"


def _on_the_hub(source: object) -> str | None:
    """Return a model's name if it is one on the hub, and no folder of this machine."""
    text = str(source or "").partition("@")[0]
    return text if NAME.fullmatch(text) and not os.path.exists(text) else None


def _facts(facts: Mapping[str, object]) -> str:
    """Write what is known as a table."""
    rows = [
        f"| {name} | {_cell(str(value))} |"
        for name, value in facts.items()
        if value not in (None, "")
    ]
    return "\n".join(["| | |", "|---|---|", *rows])


def _cell(text: str) -> str:
    return one_line(text, 300).replace("|", "\\|")


def _layers(heads: list[int], kept: set[str]) -> Iterable[str]:
    for layer, n in enumerate(heads):
        row = "".join("#" if f"L{layer}H{head}" in kept else "." for head in range(n))
        yield f"{layer:>3} {row} {'MLP' if f'L{layer}MLP' in kept else '---'}"

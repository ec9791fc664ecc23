"""How much faster a compacted subnetwork is than the full model, and how fast it could be at best.

For random subnetworks that keep the same share of heads in every layer, and that share of the MLP
layers, this times a forward pass of four models in turn, so that each round is a pair for any two:

- full: the model itself;
- gated: the model run as the subnetwork by hooks;
- compacted: the result of ``Subnetwork.compact``;
- direct: a new model whose modules are built at the smaller shapes, with random weights.

The ideal is the full model's time multiplied by the share of multiply-adds that are left.

    python benchmarks/compaction.py --seeds 5 --repeats 20 --threads 1
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

from common import count, interleaved, median, new_parser, run, save, seconds, shown, table
from heuristic_core.analysis.intervals import Estimate
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import new_classifier
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.units import Unit, n_kept
from subjects import toy_encoder

SPARSITIES = (0.3, 0.5, 0.7, 0.9)
SYSTEMS = ("full", "gated", "compacted", "direct")
TOY = {"repeats": 2, "seeds": 2, "batch": 2, "length": 6}


class Bias(nn.Module):
    """The substitute of a missing MLP in a model built directly."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the bias at every position."""
        return self.bias.expand_as(x)


def random_subnetwork(model: Classifier, sparsity: float, seed: int) -> Subnetwork:
    """Keep equally many random heads in every layer, and random MLP layers."""
    rng = np.random.default_rng([seed, round(100 * sparsity)])
    space = model.space
    kept = set()
    for layer, n_heads in enumerate(space.heads):
        heads = rng.choice(n_heads, n_kept(n_heads, sparsity), replace=False)
        kept |= {Unit(layer, int(head)) for head in heads}
    mlps = rng.choice(space.n_layers, n_kept(space.n_layers, sparsity), replace=False)
    kept |= {Unit(int(layer)) for layer in mlps}
    values: dict[str, np.ndarray] = {}
    for layer, (n_heads, d_head) in enumerate(zip(space.heads, model.anatomy.d_heads, strict=True)):
        values[f"L{layer}.heads"] = 0.1 * rng.normal(size=(n_heads, d_head)).astype(np.float32)
        values[f"L{layer}.mlp"] = 0.1 * rng.normal(size=model.anatomy.d_model).astype(np.float32)
    return Subnetwork(space, frozenset(kept), ablation="mean", values=values)


def heads_left(subnetwork: Subnetwork, layer: int) -> int:
    return sum(unit.layer == layer for unit in subnetwork.heads)


def direct(model: Classifier, subnetwork: Subnetwork) -> Any:
    """Build a new BERT of a subnetwork's shapes, without looking at the weights of the old one."""
    width = model.anatomy.d_model
    hf = transformers.BertForSequenceClassification(model.hf.config)
    for i, layer in enumerate(hf.bert.encoder.layer):
        attention = layer.attention.self
        inner = heads_left(subnetwork, i) * model.anatomy.d_heads[i]
        if not inner:
            raise SystemExit("a layer without heads has no direct counterpart here")
        attention.query, attention.key, attention.value = (nn.Linear(width, inner) for _ in "qkv")
        layer.attention.output.dense = nn.Linear(inner, width)
        if Unit(i) not in subnetwork.kept:
            layer.intermediate = layer.output.dense = nn.Identity()
            layer.output.dropout = Bias(width)
    return hf.eval()


def multiply_adds(model: Classifier, subnetwork: Subnetwork | None, batch: int, length: int) -> int:
    """Count a forward pass's multiply-adds in matrix products."""
    width, config = model.anatomy.d_model, model.hf.config
    total = batch * width * (width + config.num_labels)  # pooler and classifier
    for i, n_heads in enumerate(model.space.heads):
        n = n_heads if subnetwork is None else heads_left(subnetwork, i)
        inner = n * model.anatomy.d_heads[i]
        total += batch * length * inner * (4 * width + 2 * length)
        if subnetwork is None or Unit(i) in subnetwork.kept:
            total += batch * length * 2 * width * config.intermediate_size
    return total


def timed(
    model: Classifier, subnetwork: Subnetwork, inputs: dict[str, torch.Tensor], repeats: int
) -> tuple[dict[str, list[float]], float]:
    """Time all systems in turn; return seconds by system, and the largest error of compaction."""
    small, fresh = subnetwork.compact(model), direct(model, subnetwork)

    def timer(system: Any) -> Callable[[int], float]:
        return lambda _: seconds(lambda: system(**inputs))

    def gated(_: int) -> float:
        with subnetwork.applied(model):
            return seconds(lambda: model(**inputs))

    systems = {"full": timer(model), "gated": gated, "compacted": timer(small)}
    systems["direct"] = timer(fresh)
    with torch.inference_mode():
        times = interleaved(systems, repeats, warm_up=2)
        with subnetwork.applied(model):
            wanted = model(**inputs).logits
        error = (small(**inputs).logits - wanted).abs().max()
    return times, float(error)


def measure(model: Classifier, sparsity: float, options: argparse.Namespace) -> dict[str, Any]:
    """Time several subnetworks of one sparsity; return times, ratios and their intervals."""
    generator = torch.Generator().manual_seed(0)
    shape = (options.batch, options.length)
    n_words = model.hf.config.vocab_size
    ids = torch.randint(min(1000, n_words // 2), n_words, shape, generator=generator)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    share, errors = 0.0, []
    spent: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    for seed in range(options.seeds):
        subnetwork = random_subnetwork(model, sparsity, seed)
        left = multiply_adds(model, subnetwork, *shape)
        share = left / multiply_adds(model, None, *shape)  # the same for every seed
        times, error = timed(model, subnetwork, inputs, options.repeats)
        errors.append(error)
        for name in SYSTEMS:
            spent[name] += times[name]
    time_of = {name: np.array(values) for name, values in spent.items()}
    time_of["ideal"] = time_of["full"] * share

    def ratio(above: str, below: str) -> dict[str, float]:
        return asdict(median(time_of[above] / time_of[below]))

    pairs = [
        ("gated", "full"),
        ("compacted", "full"),
        ("compacted", "gated"),
        ("compacted", "direct"),
        ("compacted", "ideal"),
    ]
    return {
        "sparsity": sparsity,
        "share_of_multiply_adds": share,
        "median_ms": {name: 1000 * float(np.median(t)) for name, t in time_of.items()},
        "ratios": {f"{above}/{below}": ratio(above, below) for above, below in pairs},
        "largest_logit_error": max(errors),
        "seconds": spent,
    }


def laid_out(rows: list[dict[str, Any]]) -> str:
    """Format the measurements as a markdown table."""
    names = [*SYSTEMS, "ideal"]
    ratios = list(rows[0]["ratios"])
    head = ["dropped", "work left", *(f"{n}, ms" for n in names), *ratios, "logit error"]
    lines = [
        [
            f"{row['sparsity']:.0%}",
            f"{row['share_of_multiply_adds']:.1%}",
            *(f"{row['median_ms'][name]:.1f}" for name in names),
            *(shown(Estimate(**row["ratios"][name]), ".3f") for name in ratios),
            f"{row['largest_logit_error']:.0e}",
        ]
        for row in rows
    ]
    return table(head, lines)


def benchmark(options: argparse.Namespace) -> None:
    source = toy_encoder(options.out) if options.toy else options.source
    model = new_classifier(source, ("entailment", "non-entailment"), seed=0)
    rows = []
    for sparsity in SPARSITIES:
        rows.append(measure(model, sparsity, options))
        print(f"{sparsity:.0%} dropped: done", flush=True)
    intro = (
        "Medians over all rounds of all subnetworks; ratios are taken within rounds, "
        "with 95 % bootstrap intervals of their median."
    )
    save(options, "compaction", "Compaction", intro, laid_out(rows), {"sparsities": rows})


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    program.add_argument("--source", default="minilm", help="a BERT encoder")
    program.add_argument("--repeats", type=count, default=20, help="rounds for each subnetwork")
    program.add_argument("--seeds", type=count, default=5, help="subnetworks for each sparsity")
    program.add_argument("--batch", type=count, default=32)
    program.add_argument("--length", type=count, default=24)
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()

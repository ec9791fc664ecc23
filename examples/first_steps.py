"""Find a subnetwork of a freshly fine-tuned encoder and compare accuracies, in a few minutes.

Install the package with its extra ``demo``, then run: python examples/first_steps.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import heuristic_core as hc
from heuristic_core.models.loading import new_classifier
from heuristic_core.training.finetune import checkpoint_folder, finetune


def main(encoder: str = "minilm", train_size: int = 3200, steps: int = 100) -> None:
    """Fine-tune briefly, prune half of the units, compare accuracies, and remove a head.

    Args:
        encoder: A packaged name, a local folder, or a hub id.
        train_size: Pairs to fine-tune on.
        steps: Fine-tuning steps.
    """
    task = hc.load_task("hans-grammar", train_size=train_size, search_size=400, per_case=10)
    with TemporaryDirectory() as folder:
        fresh = new_classifier(encoder, task.labels, seed=1)
        finetune(
            fresh,
            task.train,
            Path(folder),
            steps=steps,
            checkpoints=[steps],
            seed=1,
            learning_rate=1e-4,
        )
        model = hc.load_model(checkpoint_folder(Path(folder), steps))
        sub = hc.find_subnetwork(model, task, sparsity=0.5, seed=42, ramp_steps=60, hold_steps=20)
        print(sub)
        full = hc.evaluate(model, task)
        pruned = hc.evaluate(model, task, subnetwork=sub)
        both = full[["suite", "case", "case_kind", "n"]].assign(
            full=full["correct"] / full["n"], subnetwork=pruned["correct"] / pruned["n"]
        )
        print(both.to_string(index=False))
        means = hc.means(model, task)
        with hc.without(model, "L2H5", means=means):
            removed = hc.evaluate(model, task.suite("id"))
        print("in-domain without L2H5:", removed["correct"].sum() / removed["n"].sum())


if __name__ == "__main__":
    main()

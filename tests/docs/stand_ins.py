"""What stands in for what the pages' readers have: models, data and runs, all of them tiny."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
from pydantic import create_model

from command import SMALL, hcore
from heuristic_core.search.methods import METHODS
from heuristic_core.study.conclusions import write_conclusions
from heuristic_core.study.results import open_results, read_results
from heuristic_core.tasks import TASKS
from heuristic_core.tasks.grammar import SUBCASES, generate
from real_data import REPOSITORY
from tiny import save_tiny

NLI = ("entailment", "neutral", "contradiction")

#: What the pages name, and what stands in for it: something on the stage, or one of its runs. In
#: commands it is replaced where it is a word, in Python and TOML where it is a whole text.
STAND_INS = {
    "minilm": "STAGE/small",
    "bert-base-uncased": "STAGE/small",
    "MODEL": "STAGE/classifier",
    "path-or-hub-id": "STAGE/classifier",
    "path/or/hub-id": "STAGE/classifier",
    "DATA": "STAGE/data",
    "FOLDER": "STAGE/data",
    "X": "STAGE/study.toml",
    "runs/X": "runs/quickstart",
    "RUN RUN ...": "runs/quickstart runs/other",
    "RUN": "runs/quickstart",
    "runs/mnli": "runs/quickstart",
    "runs/qqp": "runs/other",
    "runs/quick-mnli-hans": "runs/quickstart",
    "runs/quick-qqp-paws": "runs/other",
}
#: The same for single pages.
OF_PAGES = {"docs/reference/data.md": {"MODEL": "STAGE/unnamed"}}
#: Settings of searches and sizes of tasks, where a page gives none.
QUICK = {"ramp_steps": 2, "hold_steps": 0, "exchange_rounds": 0, "steps": 2, "batch_size": 4}
FEW = {"train_size": 32, "search_size": 16, "id_size": 10, "per_case": 2}
#: A study of as many searches as the pages divide among machines.
STUDY = """
name = "study"

[task]
name = "hans-grammar"

[finetune]
steps = 2

[search]
sparsities = [0.5]
seeds = [1, 2, 3, 4, 5, 6, 7, 8]
"""


def make_stage(stage: Path) -> None:
    """Make the models, the data and the finished runs that stand in for a reader's."""
    _model(stage / "small")
    _model(stage / "encoder", n_layers=4, n_heads=6, width=24)
    # As many layers and heads as MiniLM, so that the units that pages name are there.
    large = {"n_layers": 6, "n_heads": 12, "width": 48}
    _model(stage / "classifier", labels=NLI, **large)
    _model(stage / "unnamed", labels=("LABEL_0", "LABEL_1", "LABEL_2"), **large)
    (stage / "data").mkdir()
    _write_data(stage / "data")
    (stage / "study.toml").write_text(STUDY, encoding="utf-8")
    settings = _of_study("quickstart", stage, stage)
    hcore("run", "quickstart", *settings, cwd=stage)
    other = ("--out", "runs/other", "--set", "name=other", "--set", "finetune.seeds=[2]")
    hcore("run", "quickstart", *settings, *other, cwd=stage)


def quicken(patch: pytest.MonkeyPatch) -> None:
    """Give searches and tasks defaults that take seconds."""
    for table, less in ((METHODS, QUICK), (TASKS, FEW)):
        for name, entry in table.items():
            fields = entry.options.model_fields
            changed = {key: (fields[key].annotation, less[key]) for key in less if key in fields}
            options = create_model(f"Quick{name}", __base__=entry.options, **changed)
            patch.setitem(table, name, replace(entry, options=options))


def _model(folder: Path, **options: object) -> None:
    folder.mkdir()
    save_tiny(folder, **options)


def _write_data(folder: Path) -> None:
    """Write MNLI, SNLI, HANS, QQP and PAWS in miniature, with sentences of the grammar."""

    def pairs(split: str, n: int, seed: int) -> pd.DataFrame:
        tables = [generate(subcase, n, seed=seed, split=split) for subcase in SUBCASES]
        return pd.concat(tables, ignore_index=True)

    def write(name: str, rows: Sequence[dict]) -> None:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")

    parts = ("mnli_train", "mnli_dev_matched", "mnli_dev_mismatched", "snli_train", "snli_test")
    for seed, name in enumerate(parts):
        table = pairs("train", 4, seed)
        write(
            name,
            [
                {"premise": first, "hypothesis": second, "label": NLI[i % 3]}
                for i, (first, second) in enumerate(
                    zip(table["premise"], table["hypothesis"], strict=True)
                )
            ],
        )
    hans = pairs("test", 4, 9)
    hans.assign(split="validation").to_parquet(folder / "hans.parquet")
    questions = [
        {"sentence1": first, "sentence2": second, "label": i % 2, "source": f"a_{split}"}
        for seed, split in enumerate(("train", "dev", "test"), 20)
        for i, (first, second) in enumerate(
            pairs("train", 4, seed)[["premise", "hypothesis"]].itertuples(index=False)
        )
    ]
    write("qqp_pairs", questions)
    swapped = pairs("test", 4, 30)
    paws = swapped.rename(columns={"premise": "sentence1", "hypothesis": "sentence2"})
    paws = paws[["sentence1", "sentence2"]].assign(id=range(len(paws)))
    paws.assign(label=[i % 2 for i in paws["id"]]).to_parquet(folder / "paws_qqp.parquet")


def furnish(folder: Path, stage: Path, text: str) -> None:
    """Put into a reader's folder what they have there: a run, and files of the repository."""
    shutil.copytree(stage / "runs", folder / "runs")
    (folder / "studies").symlink_to(REPOSITORY / "studies")
    for run in set(re.findall(r"docs/results/[\w-]+/[\w-]+", text)):
        shutil.copytree(REPOSITORY / run, folder / run)
        # A kept run is concluded whenever it is read, unless its conclusions lie beside it.
        config, manifest = open_results(folder / run)
        conclusions = read_results(folder / run).conclusions
        write_conclusions(folder / run, conclusions, config.analysis, manifest["tables"])
    for name in set(re.findall(r'"(run(?:-\d)?)"', text)):
        # The output folder of a Trainer.
        for step in (50, 100, 150):
            shutil.copytree(stage / "classifier", folder / name / f"checkpoint-{step}")


def put_in(text: str, page: str, stage: Path, words: bool) -> str:
    """Put the stand-ins into a block's text.

    Args:
        text: The text.
        page: Whose block it is.
        stage: Where the stand-ins are.
        words: Whether they replace words, rather than whole texts in quotes.
    """
    for name, other in (STAND_INS | OF_PAGES.get(page, {})).items():
        place = other.replace("STAGE", str(stage))
        if words:
            text = re.sub(rf"(?<![\w./-]){re.escape(name)}(?![\w/-])", place, text)
        else:
            text = text.replace(f'"{name}"', f'"{place}"')
    return text


def added(words: Sequence[str], folder: Path, stage: Path) -> list[str]:
    """Say what to add to a command so that it takes seconds."""
    command, *rest = words
    if command == "run":
        study = rest[0] if rest and not rest[0].startswith("-") else "quickstart"
        return [*([] if study in rest else [study]), *_of_study(study, folder, stage)]
    return []


def _of_study(study: str, folder: Path, stage: Path) -> list[str]:
    """Set a study to a tiny model, few examples and short trainings."""
    builtin = resources.files("heuristic_core.study") / "builtin" / f"{study}.toml"
    file = folder / study if study.endswith(".toml") else builtin
    has = tomllib.loads(file.read_text("utf-8"))
    sets = dict(one.split("=", 1) for one in SMALL[1::2])
    if "finetune" not in has:
        sets = {key: value for key, value in sets.items() if not key.startswith("finetune.")}
    if has["task"]["name"].endswith(".toml"):
        sets = {key: value for key, value in sets.items() if not key.startswith("task.")}
    own = {"source", "checkpoints", "seeds"} & set(has.get("model", {}))
    if not own or study.startswith("studies/"):
        sets["model.source"] = str(stage / "small")
    if file is builtin:
        sets |= {"model.source": str(stage / "encoder"), "search.seeds": "[1, 2, 3]"}
    grid = has.get("analysis", {}).get("grid", {})
    if "seeds" in grid:
        sets |= {"analysis.grid.seeds": "[1, 2, 3]", "analysis.grid.sparsities": "[0.3, 0.6]"}
    if "checkpoints" in grid:
        sets["analysis.grid.checkpoints"] = "[0, 2]"
    return [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]

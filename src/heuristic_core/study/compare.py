"""Several finished runs side by side, from their stored tables alone."""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..columns import Column, Table
from ..errors import InputError, one_line
from ..report.results import Results
from ..storage import as_path, write_table
from ..tables import VERDICTS
from .archive import opened
from .config import check_study
from .differences import (
    architecture_of,
    differences,
    models_of,
    searches_of,
    start_of,
    suites_of,
)
from .loaded import LoadedRun
from .results import read_results

if TYPE_CHECKING:  # load SciPy
    from ..analysis.across.runs import ComparedRun
    from ..analysis.conclusions import Conclusions
    from ..report.document import Document

#: What is compared; the columns in which no two runs differ are not shown.
RUNS = Table(
    "runs",
    "One of the runs that are compared.",
    Column("run", "its name here", "str", "run", brief=True, key=True),
    Column("study", "the name of its study", "str"),
    Column("model", "the model", "str", "model", brief=True),
    Column("task", "the task", "str", "task", brief=True),
    Column("finetune_seeds", "seeds of the fine-tunings", "str", "fine-tuning", brief=True),
    Column("checkpoints", "checkpoints that were searched", "str", "step", brief=True),
    Column("method", "how subnetworks were found", "str", "method", brief=True),
    Column("sparsities", "sparsities asked for, %", "str", "sparsity, %", brief=True),
    Column("searches", "search seeds", "int", "searches", brief=True),
    title="The runs",
)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Comparison:
    """What several runs come to side by side.

    Args:
        names: The runs' names, in the order given.
        runs: A row for each run, as in ``RUNS``.
        differ_in: In what they differ, such as ``task``; empty if in nothing that is recorded.
        conclusions: The verdicts and tables of the questions on several runs.
        results: The runs' own results, by name.
    """

    names: tuple[str, ...]
    runs: pd.DataFrame
    differ_in: tuple[str, ...]
    conclusions: Conclusions
    results: Mapping[str, Results]

    @property
    def verdicts(self) -> pd.DataFrame:
        """The verdicts, as in ``tables.VERDICTS``."""
        return self.conclusions.verdicts

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name: the runs, and those of the questions."""
        return {RUNS.name: self.runs, **self.conclusions.tables}

    def save(self, folder: str | os.PathLike[str], command: str = "") -> Path:
        """Write one self-contained page, its figures, and its tables as CSV, LaTeX and Parquet.

        Args:
            folder: Where to; made if needed.
            command: The command that the page names; may be empty.

        Returns:
            The page's path.

        Raises:
            InputError: If the folder is a run's, or cannot be written.
        """
        from ..analysis.across.questions import ACROSS
        from ..report.html import write_document  # loads what makes pages

        place = as_path(folder)
        if os.path.isfile(place / "study.json"):
            raise InputError(f"{place} is a run folder; choose another place for the comparison")
        page = write_document(self.document(command), place, ACROSS)
        for name, table in {VERDICTS.name: self.verdicts, **self.tables}.items():
            write_table(place / "tables" / f"{name}.parquet", table)
        return page

    def document(self, command: str = "") -> Document:
        """Return what is reported of it.

        Args:
            command: The command that made it; may be empty.
        """
        from ..report.document import Document
        from ..report.provenance import provenance

        return Document(
            name=" and ".join(self.names) if len(self.names) < 4 else f"{len(self.names)} runs",
            kicker="A comparison of runs with heuristic-core",
            lead=self._differ,
            story=self.story,
            overview=((RUNS, self.runs),),
            conclusions=self.conclusions,
            several=self._several(),
            has_subnetworks=True,
            search=_common([run.config.get("search") or {} for run in self.results.values()]),
            command=command,
            provenance=[
                (f"{name}: {title}", lines)
                for name, run in self.results.items()
                for title, lines in provenance(run)
                if title in ("Finished", "Model", "Versions", "Seeds", "Data (SHA-256)")
            ],
            configuration="\n\n".join(
                f"# {name}\n{text}" for name, text in self._configurations().items()
            ),
            runs=self.results,
        )

    @property
    def story(self) -> str:
        """What is compared, in what the runs differ, and whether cores can be compared at all."""
        sentences = [
            f"{len(self.names)} runs are compared: {', '.join(self.names)}.",
            self._differ,
        ]
        if not self.verdicts["question"].str.startswith("core_of").any():
            sentences.append(
                "No two of their cores can be compared, as both the model and the search method "
                "differ; add a run that has one of the two alike."
            )
        return " ".join(sentences)

    @property
    def _differ(self) -> str:
        differ = ", ".join(self.differ_in)
        return (
            f"They differ in: {differ}." if differ else "They differ in nothing that is recorded."
        )

    def _configurations(self) -> dict[str, str]:
        from ..report.provenance import configuration

        return {name: configuration(run) for name, run in self.results.items()}

    def _several(self) -> frozenset[str]:
        """Name what has to be said of a model or a search, besides its run."""
        found = self.runs
        several = set()
        if found["finetune_seeds"].str.contains(",").any():
            several.add("finetune_seed")
        if found["checkpoints"].str.contains(",").any() or found["checkpoints"].nunique() > 1:
            several.add("checkpoint")
        if found["method"].nunique() > 1 or found["method"].str.contains(",").any():
            several.add("method")
        return frozenset(several)

    def __repr__(self) -> str:
        counts = Counter(self.verdicts["decision"])
        decided = ", ".join(f"{n} {decision}" for decision, n in counts.items())
        return one_line(f"Comparison({', '.join(self.names)}: {decided})", 200)

    def _repr_html_(self) -> str:
        shown = ["claim", "run", "other_run", "decision", "reason"]
        tables = (self.runs.drop(columns="study"), self.verdicts[shown].fillna(""))
        parts = (table.to_html(index=False, escape=True) for table in tables)
        return f"<p>{html.escape(self.story)}</p>{''.join(parts)}"


def compare(*runs: str | os.PathLike[str] | LoadedRun) -> Comparison:
    """Compare finished runs; no model is run, and nothing is written.

    They may differ in task, fine-tuning, checkpoint, model of one architecture, or search.

    Args:
        runs: At least two: their folders or archives, or what ``load_run`` returned.

    Returns:
        Cores, sizes, spread, removal and verdicts side by side.

    Raises:
        InputError: If there are fewer than two, one is given twice or holds no finished run with
            subnetworks, or their models have different heads.
    """
    folders = [run.path if isinstance(run, LoadedRun) else as_path(run) for run in runs]
    if len(folders) < 2:
        raise InputError(f"a comparison takes at least two runs, and {len(folders)} is given")
    real = [folder.resolve() for folder in folders]
    for i, folder in enumerate(real):
        if folder in real[:i]:
            raise InputError(f"{folders[i]} is given twice; give each run once")
    results = [
        run.results if isinstance(run, LoadedRun) else _open(folder)
        for run, folder in zip(runs, folders, strict=True)
    ]
    return compare_results(dict(zip(labels(results, real), results, strict=True)))


def compare_results(results: Mapping[str, Results]) -> Comparison:
    """Compare the results of runs, as ``compare`` does.

    Args:
        results: The results by the run's name, at least two.
    """
    from ..analysis.across.questions import ACROSS
    from ..analysis.across.runs import Runs
    from ..analysis.conclusions import conclude

    runs = list(results.values())
    _check_architectures(results)
    compared = Runs([_compared(name, run) for name, run in results.items()])
    return Comparison(
        names=tuple(results),
        runs=RUNS.frame([_row(name, run) for name, run in results.items()]),
        differ_in=tuple(differences(runs)),
        conclusions=conclude(compared, ACROSS),
        results=results,
    )


def _open(run: Path) -> Results:
    """Read a run's results, from its folder or archive."""
    with opened(run) as folder:
        return read_results(folder)


def labels(results: Sequence[Results], folders: Sequence[Path]) -> list[str]:
    """Name runs: by their studies, else by their folders, as short as tells them apart.

    Args:
        results: The runs' results.
        folders: Their folders, all different and absolute.
    """
    names = [run.name for run in results]
    depth = 1
    while len(set(names)) < len(names):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        depth += 1
    return names


def _check_architectures(results: Mapping[str, Results]) -> None:
    (first, of_first), *others = ((name, architecture_of(run)) for name, run in results.items())
    for name, sizes in others:
        for key in of_first.keys() & sizes.keys():
            if of_first[key] != sizes[key]:
                raise InputError(
                    f"{first} and {name} are of models of different architectures ({key} is "
                    f"{of_first[key]} and {sizes[key]}); only runs of one architecture can be "
                    "compared"
                )


def _compared(name: str, run: Results) -> ComparedRun:
    from ..analysis.across.runs import ComparedRun
    from ..analysis.evidence import Evidence

    analysis = run.config.get("analysis") or {}
    known = {key: analysis[key] for key in ("margin_points", "seed") if key in analysis}
    return ComparedRun(
        name=name,
        evidence=Evidence(run.measured, **known),
        verdicts=run.conclusions.verdicts,
        models=models_of(run),
        # The weights of a model that is studied as it is are not those that it started from.
        start=start_of(run) if _over_training(run) else "",
        suites=suites_of(run),
        searches=searches_of(run),
    )


def _over_training(run: Results) -> bool:
    return check_study(run.config).over_training


def _row(name: str, run: Results) -> dict[str, Any]:
    units = run.measured["subnetworks"]

    def listed(column: str, factor: float = 1) -> str:
        return ", ".join(f"{factor * value:.6g}" for value in sorted(units[column].unique()))

    return {
        "run": name,
        "study": run.name,
        "model": one_line(check_study(run.config).last_source, 60),
        "task": one_line(str(run.config["task"]["name"]), 60),
        "finetune_seeds": listed("finetune_seed") if _over_training(run) else "as it is",
        "checkpoints": listed("checkpoint"),
        "method": ", ".join(sorted(units["method"].unique())),
        "sparsities": listed("sparsity", 100),
        "searches": units["seed"].nunique(),
    }


def _common(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all of some settings have, and ``None`` for what they differ in."""
    return {
        key: value if all(other.get(key) == value for other in settings) else None
        for key, value in settings[0].items()
    }

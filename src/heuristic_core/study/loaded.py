"""A run in Python: its tables, verdicts, figures, subnetworks and models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from .. import notebook
from ..analysis.cores import Core, cores_of, whole_cores
from ..errors import InputError, one_line
from ..hub.shared import Parcel, Shared
from ..report.attention_map import AttentionMap, stored_map
from ..report.frames import Frame, Tables, Verdicts, framed
from ..report.gallery import Figures
from ..report.look_options import LookOptions, takes_look
from ..report.results import Results
from ..storage import as_path
from ..subnetwork import Subnetwork
from ..tables import MODEL_NAMES, SYSTEM_NAMES, VERDICTS
from ..units import Unit, UnitSpace
from .archive import is_archive, opened
from .results import read_results

if TYPE_CHECKING:  # loads torch
    from ..models.classifier import Classifier


def load_run(folder: str | os.PathLike[str]) -> LoadedRun:
    """Open a finished run, from its folder or from an archive that `hcore export` wrote.

    Args:
        folder: The run folder or the archive. A folder without cells, as an archive, has no models.

    Raises:
        InputError: If it holds no finished run, or one that is damaged.
    """
    path = as_path(folder)
    with opened(path) as place:
        results = read_results(place)
    return LoadedRun(results, path)


@dataclass(frozen=True, eq=False)
class LoadedRun(Shared):
    """A finished run, as ``load_run`` opens it.

    Args:
        results: Its results.
        path: The run folder or archive.
    """

    results: Results
    path: Path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.results.name

    @property
    def config(self) -> Mapping[str, Any]:
        """The study's configuration, as nested dictionaries with all defaults."""
        return self.results.config

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the numbers depend on: versions, seeds, data and machine."""
        return self.results.manifest

    @cached_property
    def tables(self) -> Tables:
        """All tables as data frames, by name."""
        return Tables(self.results)

    @property
    def verdicts(self) -> Frame:
        """What the data say of every claim, as a data frame."""
        return framed(self.results.conclusions.verdicts, VERDICTS.about, Verdicts)

    @cached_property
    def figures(self) -> Figures:
        """All figures, by name."""
        return Figures(self.results)

    def describe(self, table: str) -> pd.DataFrame:
        """Say what the columns of a table hold, or of ``verdicts``.

        Raises:
            InputError: If there is no such table.
        """
        return self.tables.describe(table)

    # --- models and subnetworks ---------------------------------------------------------------

    def subnetworks(
        self,
        *,
        sparsity: float | None = None,
        checkpoint: int | None = None,
        finetune_seed: int | None = None,
        method: str | None = None,
        seed: int | None = None,
    ) -> list[Subnetwork]:
        """Return the subnetworks of the study's own searches; what is not named is not chosen by.

        From an archive, or a folder without cells, they hold which units are kept, but not the
        means that replace the others: they can be compared and shown, but not be run.

        Args:
            sparsity: The sparsity asked for.
            checkpoint: The optimiser step of the model.
            finetune_seed: The seed of the fine-tuning.
            method: How they were found.
            seed: The seed of the search.

        Raises:
            InputError: If there is none.
        """
        wanted = {
            "sparsity": sparsity,
            "checkpoint": checkpoint,
            "finetune_seed": finetune_seed,
            "method": method,
            "seed": seed,
        }
        rows = self.results.measured["subnetworks"]
        chosen = _only(rows, {key: v for key, v in wanted.items() if v is not None}, "subnetworks")
        return list(self._read(chosen))

    def _read(self, rows: pd.DataFrame) -> Iterator[Subnetwork]:
        from .stored import stored_subnetwork

        for key, units in rows.groupby(SYSTEM_NAMES, sort=False):
            system = dict(zip(SYSTEM_NAMES, key, strict=True))
            stored = None
            if not is_archive(self.path):
                stored = stored_subnetwork(self.path, self.manifest, system)
            yield stored or self._from_table(system, units)

    def _from_table(self, system: Mapping[str, Any], units: pd.DataFrame) -> Subnetwork:
        heads = units[units["head"] >= 0].groupby("layer").size()
        space = UnitSpace(tuple(int(n) for n in heads.sort_index()))
        by_unit = units.set_index("unit").loc[[str(unit) for unit in space]]
        search = self.config.get("search") or {}
        facts = {name: system[name] for name in (*MODEL_NAMES, "method", "seed")}
        return Subnetwork(
            space,
            frozenset(Unit.parse(unit) for unit in by_unit.index[by_unit["kept"]]),
            ablation=str(search.get("ablation", "mean")),
            soft=None if by_unit["soft"].isna().any() else by_unit["soft"].to_numpy(),
            provenance={"run": self.name, **facts},
        )

    def core(
        self,
        *,
        sparsity: float | None = None,
        checkpoint: int | None = None,
        finetune_seed: int | None = None,
        method: str | None = None,
    ) -> Core:
        """Return the heads that all subnetworks of one model and method keep.

        Args:
            sparsity: Those of one sparsity; of all together if not given.
            checkpoint: The optimiser step of the model; the last one if not given.
            finetune_seed: The seed of the fine-tuning; needed if there are several.
            method: How they were found; needed if there are several.

        Returns:
            The core: its ``heads``, and the ``p_value`` and ``decision`` of whether chance
            explains it.

        Raises:
            InputError: If there is none, or several are meant.
        """
        rows = self.results.measured["subnetworks"]
        named = {"finetune_seed": finetune_seed, "method": method}
        rows = _only(rows, {key: v for key, v in named.items() if v is not None}, "subnetworks")
        _one_of(rows, named)
        step = int(rows["checkpoint"].max()) if checkpoint is None else checkpoint
        rows = _only(rows, {"checkpoint": step}, "subnetworks")
        cores = cores_of(rows)
        if sparsity is None:
            return whole_cores(cores)[0]
        for core in cores:
            if core.sparsity == sparsity:
                return core
        _only(rows, {"sparsity": sparsity}, "subnetworks")
        raise AssertionError("every sparsity has a core")

    def model(
        self,
        checkpoint: int | None = None,
        *,
        finetune_seed: int | None = None,
        device: str = "auto",
    ) -> Classifier:
        """Load the classifier of one checkpoint.

        Args:
            checkpoint: The optimiser step; the last one if not given.
            finetune_seed: The seed of the fine-tuning; needed if there are several.
            device: ``cpu``, ``cuda``, ``mps`` or ``auto``.

        Raises:
            InputError: If the run has no such checkpoint, or holds no weights any more.
        """
        from .stored import stored_model

        rows = self.results.measured["evaluations"]
        named = {} if finetune_seed is None else {"finetune_seed": finetune_seed}
        rows = _only(rows, named, "models")
        _one_of(rows, {"finetune_seed": finetune_seed})
        step = int(rows["checkpoint"].max()) if checkpoint is None else checkpoint
        rows = _only(rows, {"checkpoint": step}, "models")
        if is_archive(self.path):
            raise InputError(
                f"{self.path} is an archive, which has no weights; open the run folder"
            )
        return stored_model(
            self.path, self.manifest, int(rows["finetune_seed"].iloc[0]), step, device
        )

    def attention_map(
        self,
        head: Unit | str,
        case: str,
        checkpoint: int | None = None,
        *,
        suite: str | None = None,
        finetune_seed: int | None = None,
    ) -> AttentionMap:
        """Return what one head attends to in the example of a case that the run keeps.

        The numbers are those of ``heuristic_core.attention`` on that example, in 255ths. No
        model is needed, so archives have them too.

        Args:
            head: The head, such as ``"L4H0"``.
            case: The case; the table ``attention_examples`` names those that are there.
            checkpoint: The optimiser step; the last one if not given.
            suite: The case's suite; needed if several have a case of this name.
            finetune_seed: The seed of the fine-tuning; needed if there are several.

        Raises:
            InputError: If the run keeps no such map, or several are meant.
        """
        rows = self.results.measured["attention_maps"]
        if rows.empty:
            raise InputError(
                "the run keeps no attention maps; `hcore analyze` measures them, unless "
                "analysis.attention.maps is false"
            )
        named = {"case": case, "suite": suite, "finetune_seed": finetune_seed}
        rows = _only(rows, {key: v for key, v in named.items() if v is not None}, "attention maps")
        _one_of(rows, {"suite": suite, "finetune_seed": finetune_seed})
        step = int(rows["checkpoint"].max()) if checkpoint is None else checkpoint
        rows = _only(rows, {"checkpoint": step, "unit": str(head)}, "attention maps")
        examples = self.results.measured["attention_examples"]
        keys = [*MODEL_NAMES, "suite", "case"]
        return stored_map(rows.iloc[0].to_dict(), examples.merge(rows[keys]).iloc[0]["tokens"])

    # --- figures ------------------------------------------------------------------------------

    @takes_look
    def save_figures(
        self,
        folder: str | os.PathLike[str],
        format: str | Sequence[str] = "pdf",
        **look: Unpack[LookOptions],
    ) -> list[Path]:
        """Write all figures into a folder, made if needed.

        Args:
            folder: The folder.
            format: ``pdf``, ``png``, ``svg``, or several.
            **look: How each looks, as ``LookOptions`` lists it.

        Returns:
            The files.

        Raises:
            InputError: If an argument does not fit, or the folder cannot be written.
        """
        formats = [format] if isinstance(format, str) else list(format)
        return self.figures.save(as_path(folder), formats, look)

    # --- sharing ------------------------------------------------------------------------------

    def _parcel(self) -> Parcel:
        """Return what ``push_to_hub`` uploads: no weights, and a report."""
        from .on_hub import run_parcel

        return run_parcel(self.results, self.path)

    @classmethod
    def from_hub(
        cls, repo_id: str, *, revision: str | None = None, token: str | bool | None = None
    ) -> LoadedRun:
        """Open a run that ``push_to_hub`` uploaded; it has no models.

        Args:
            repo_id: The repository, ``namespace/name``.
            revision: A branch, tag or commit; the default branch if not given.
            token: A token, or as the hub's client finds one.

        Raises:
            InputError: If it cannot be had, or is none.
        """
        from .on_hub import pull_run

        return load_run(pull_run(repo_id, revision=revision, token=token))

    # --- displays -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        n = len(self.results.conclusions.verdicts)
        place = one_line(repr(str(self.path)), 120)
        return f"LoadedRun({one_line(self.name, 80)!r}, {n} verdicts, {place})"

    def _repr_html_(self) -> str:
        from ..report.in_short import in_short
        from ..report.sections import sections
        from ..report.story import story

        lines = in_short(sections(self.results))
        rows = [(line.decided, line.claim, line.effect, line.p, line.note) for line in lines]
        heads = ("verdict", "claim in short", "effect [95 % interval]", "p", "note")
        return notebook.heading(self.name) + notebook.table(heads, rows, story(self.results))


def _only(rows: pd.DataFrame, values: Mapping[str, Any], what: str) -> pd.DataFrame:
    """Keep the rows of some values, and say what there is if there are none."""
    for name, value in values.items():
        there = sorted(rows[name].unique().tolist())
        rows = rows[rows[name] == value]
        if rows.empty:
            listed = ", ".join(map(str, there)) or "none"
            raise InputError(
                f"the run has no {what} of {name} {one_line(repr(value), 60)}; there are: {listed}"
            )
    if rows.empty:
        raise InputError(f"the run has no {what}")
    return rows


def _one_of(rows: pd.DataFrame, named: Mapping[str, Any]) -> None:
    """Refuse rows of several models or methods where none is named."""
    for name, value in named.items():
        there = sorted(rows[name].unique().tolist())
        there = [one for one in there if one != ""]
        if value is None and len(there) > 1:
            raise InputError(f"the run has several: give {name}={' or '.join(map(repr, there))}")

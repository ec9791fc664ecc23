"""The world that studies are simulated in: numbers fitted to a study, each with its source.

Scores are as in signal detection. A system's score of an out-of-domain example, for the label that
is right on adversarial ones, is ``lean + distance / 2`` on adversarial examples and ``lean -
distance / 2`` on friendly ones, plus noise of variance 1. Part of the noise is the example's own
and shared by systems.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from heuristic_core.errors import InputError
from heuristic_core.storage import write_text

#: A number of the world, or one for each layer, checkpoint or sparsity.
Value = float | tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class World:
    """What a simulated study is like where nothing is planted.

    Args:
        id_score: The full model's mean score in-domain, where a score above 0 is right.
        distance: Of the full model, on average over adversarial cases.
        lean: Its lean to the label that is right on adversarial examples.
        nats: Standard deviation of log-odds within a kind of out-of-domain case, nats.
        id_nats: The same in-domain.
        case_spread: Standard deviation of the distance over adversarial cases.
        alike_full: Correlation of a subnetwork's answers with the full model's.
        alike: Correlation of two subnetworks' answers.
        dense: Lower sparsity of the main searches.
        sparse: Higher one.
        id_change: Of the id score, at the lower and the higher sparsity.
        id_sd: Its standard deviation over searches, at both.
        distance_change: Of the distance, at both.
        distance_sd: Its standard deviation over searches, at both.
        own_sd: Standard deviation over searches of what is a case's own, at both.
        lean_change: Of the lean, at both.
        lean_sd: Its standard deviation over searches, at both.
        kl: Mean log KL in-domain and out of domain, at the higher sparsity.
        kl_sd: Standard deviations over searches of both.
        kl_alike: Their correlation over searches.
        grid_sd: Standard deviation over searches of balanced accuracy in the grid, points.
        grid_alike: Its correlation at neighbouring sparsities.
        steps: Trained checkpoints.
        id_by_step: The full model's in-domain accuracy at each.
        layer_heads: Heads of each layer.
        kept: Heads that a subnetwork of the higher sparsity keeps, by layer, on average.
        core: Heads of the core, by layer.
        preference: Correlation of two searches' choices of heads within layers.
        early_preference: The same at the first trained checkpoint of the grid.
        head_lean_sd: Standard deviation over heads of what their removal does to the lean, nats.
        head_distance_sd: The same to the distance.
        head_id_sd: The same to the in-domain margin.
        change_noise: Standard deviation over examples of a removal's change, over its root mean
            square over heads.
        interaction_noise: The same of the core's interaction, nats.
        strength: Mean over heads of log2 of attention over chance, strongest shallow pattern.
        strength_sd: Its standard deviation over the heads of a layer.
        suites_alike: Its correlation over heads between suites.
        score_noise: Standard deviation over examples of a score, as a share of it.
        reads: Mean change of an added head, as a share of its distance from its mean.
        reads_sd: Standard deviation of a sender's over the senders of a layer.
        edge_sd: Standard deviation of an edge beyond its sender's mean.
        edge_noise: Standard error of an edge.
        margin_reads_sd: As ``reads_sd``, of the margin, nats.
        margin_edge_sd: As ``edge_sd``, of the margin, nats.
        margin_noise: As ``edge_noise``, of the margin, nats.
        ordinary: In-domain accuracy of ordinary subnetworks minus the full model's, points.
        ordinary_sd: Its standard deviation over searches, points.
        forbidden: As ``ordinary``, of subnetworks with all heads of another one forbidden.
        forbidden_sd: Its standard deviation over searches, points.
    """

    id_score: float
    distance: float
    lean: float
    nats: float
    id_nats: float
    case_spread: float
    alike_full: float
    alike: float
    dense: float
    sparse: float
    id_change: tuple[float, ...]
    id_sd: tuple[float, ...]
    distance_change: tuple[float, ...]
    distance_sd: tuple[float, ...]
    own_sd: tuple[float, ...]
    lean_change: tuple[float, ...]
    lean_sd: tuple[float, ...]
    kl: tuple[float, ...]
    kl_sd: tuple[float, ...]
    kl_alike: float
    grid_sd: float
    grid_alike: float
    steps: tuple[float, ...]
    id_by_step: tuple[float, ...]
    layer_heads: tuple[float, ...]
    kept: tuple[float, ...]
    core: tuple[float, ...]
    preference: float
    early_preference: float
    head_lean_sd: float
    head_distance_sd: float
    head_id_sd: float
    change_noise: float
    interaction_noise: float
    strength: float
    strength_sd: float
    suites_alike: float
    score_noise: float
    reads: float
    reads_sd: float
    edge_sd: float
    edge_noise: float
    margin_reads_sd: float
    margin_edge_sd: float
    margin_noise: float
    ordinary: float
    ordinary_sd: float
    forbidden: float
    forbidden_sd: float


def save(path: Path, numbers: dict[str, tuple[Value, str]], about: str) -> None:
    """Write a world with the source of each number.

    Args:
        path: The TOML file.
        numbers: By the names of :class:`World` each number and its source.
        about: What the world was fitted to.
    """
    lines = [f"# {about}", "# Written by `python benchmarks/verdicts.py --fit FOLDER`.", ""]
    for name, (value, source) in numbers.items():
        text = ", ".join(f"{x:.6g}" for x in value) if isinstance(value, tuple) else f"{value:.6g}"
        text = f"[{text}]" if isinstance(value, tuple) else text
        lines.append(f'{name} = {{ value = {text}, source = "{source}" }}')
    write_text(path, "\n".join(lines) + "\n")


def load(path: Path) -> World:
    """Read a world.

    Args:
        path: The TOML file.

    Raises:
        InputError: If it lacks a number, or has one that is not known.
    """
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    names = {field.name for field in fields(World)}
    if set(content) != names:
        wrong = ", ".join(sorted(set(content) ^ names))
        raise InputError(f"{path} does not fit this version ({wrong}); fit it: --fit FOLDER")
    return World(**{name: _number(entry["value"]) for name, entry in content.items()})


def _number(value: Any) -> Any:
    return tuple(map(float, value)) if isinstance(value, list) else float(value)

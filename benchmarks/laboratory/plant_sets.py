"""Effects on the set of faithful subnetworks: its range, kinds, least overlap and needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from heuristic_core.tables import NECESSITY, REPELLED, TARGETED, TARGETED_CONTRASTS

from .heads import Model
from .planted import Claim, Planted, Tables, Truth
from .world import World

#: Design choices. The difference of AUROCs that the claim asks for; the bound on the divergence in
#: nats, and the log2 of how far beyond it a search ends that finds nothing, with the standard
#: deviation over searches; the spread of AUROCs over searches, and their error over examples.
ASKED = 0.1
BOUND, FAR, FAR_SPREAD = 0.1, 1.5, 0.5
SPREAD, ERROR = 0.03, 0.03
#: Weights of the penalty on shared units, subnetworks, and what names the rest of a row.
WEIGHTS, REPELLED_AT_ONCE = (0.0, 0.3), 5
ABOUT = {"checkpoint": 4000, "method": "learned", "sparsity": 0.5}
CASES = {"i": "id", "a0": "adversarial", "a1": "adversarial"}


@dataclass(frozen=True, kw_only=True)
class Aimed:
    """Subnetworks that were searched for to generalise well, badly, or well and apart.

    Args:
        seeds: Searches with each aim.
        difference: By how much held-out AUROCs of those that generalise well are above the others'.
        apart: The mean log2 of divergence over the bound of those that do without the heads of one
            that generalises badly; their AUROCs are those of the others that generalise well.
        apart_spread: Its standard deviation over searches.
    """

    seeds: int
    difference: float
    apart: float = -1.0
    apart_spread: float = FAR_SPREAD

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        aims = np.array(["none", "well", "badly", "apart"])
        mean = 0.7 + self.difference * np.array([0.0, 0.5, -0.5, 0.5])
        shape = (n_studies, len(aims), self.seeds)
        # The error of an aim's examples is shared by its searches; a difference of two has ERROR.
        shared = rng.normal(0, ERROR / 2**0.5, (n_studies, len(aims), 1))
        auc = np.clip(mean[:, None] + shared + rng.normal(0, SPREAD, shape), 0, 1)
        ratio = np.full(shape, -1.0)
        ratio[:, 3] = rng.normal(self.apart, self.apart_spread, (n_studies, self.seeds))
        study, aim, seed, case = np.indices((*shape, len(CASES))).reshape(4, -1)
        kinds = np.array(list(CASES.values()))[case]
        rows = pd.DataFrame(
            {"finetune_seed": study, **ABOUT, "kind": "subnetwork", "seed": seed, "aim": aims[aim]}
            | {"suite": "s", "role": np.where(kinds == "id", "id", "ood"), "case_kind": kinds}
            | {"case": np.array(list(CASES))[case], "n": 100, "correct": 70, "kl": 0.05}
            | {"margin": 1.0, "auc": np.where(kinds == "id", np.nan, auc[study, aim, seed])}
            | {"aimed": case == 1, "divergence": BOUND * 2.0 ** ratio[study, aim, seed]}
            | {"bound": BOUND}
        )
        pairs = [("well", "badly"), ("apart", "badly"), *((aim, "") for aim in aims)]
        study, pair, aimed = np.indices((n_studies, len(pairs), 2)).reshape(3, -1)
        contrasts = pd.DataFrame(
            {"finetune_seed": study, **ABOUT, "aim": np.array(pairs)[pair, 0]}
            | {"other_aim": np.array(pairs)[pair, 1], "aimed": aimed == 1}
            | {"auc_difference": 0.0, "se": np.where(pair < 2, ERROR, ERROR / 2**0.5)}
        )
        return {
            "targeted": TARGETED.conform(rows),
            "targeted_contrasts": TARGETED_CONTRASTS.conform(contrasts),
        }


@dataclass(frozen=True, kw_only=True)
class Repelled:
    """Faithful subnetworks that paid for what they share.

    Args:
        model: The heads.
        core_kept: How often each keeps a core head; without it there is no core.
    """

    model: Model
    core_kept: float | None = None

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        shape = (n_studies, len(WEIGHTS), REPELLED_AT_ONCE)
        kept = self.model.searched(rng, shape, core_kept=self.core_kept)
        study, weight, seed, head = np.indices(kept.shape).reshape(4, -1)
        names = np.array(self.model.units)
        rows = pd.DataFrame(
            {"finetune_seed": study, **ABOUT, "kind": "subnetwork", "seed": seed}
            | {"repel": np.array(WEIGHTS)[weight], "unit": names[head]}
            | {"layer": self.model.layers[head]}
            | {"head": np.array([int(name.split("H")[1]) for name in names])[head]}
            | {"kept": kept.ravel(), "divergence": BOUND / 2, "bound": BOUND}
        )
        return {"repelled": REPELLED.conform(rows)}


@dataclass(frozen=True, kw_only=True)
class Needed:
    """The best subnetwork without each head.

    Args:
        model: The heads.
        of_core: With what probability a core head is necessary.
        of_others: With what probability another one is.
        searches: The study's own searches, all of which keep the core.
        far: The log2 of divergence over the bound without a head that is necessary.
        divergence_se: Standard error of a divergence over examples, nats.
    """

    model: Model
    of_core: float
    of_others: float
    searches: int = 12
    far: float = FAR
    divergence_se: float = 0.01

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        core, n = self.model.core, len(self.model.layers)
        needed = rng.random((n_studies, n)) < np.where(core, self.of_core, self.of_others)
        # Others end below the bound by as much as these end above it.
        true = BOUND * 2.0 ** np.where(needed, self.far, -self.far)
        measured = np.maximum(0.0, true + rng.normal(0, self.divergence_se, true.shape))
        study, head = np.indices(needed.shape).reshape(2, -1)
        names = np.array(self.model.units)
        often = np.where(core, self.searches, self.searches // 2)
        rows = pd.DataFrame(
            {"finetune_seed": study, **ABOUT, "unit": names[head]}
            | {"layer": self.model.layers[head]}
            | {"head": np.array([int(name.split("H")[1]) for name in names])[head]}
            | {"times": often[head], "n_searches": self.searches, "kept": core[head]}
            | {"divergence": measured.ravel(), "divergence_se": self.divergence_se}
            | {"necessity": measured.ravel() - BOUND / 2, "se": self.divergence_se}
            | {"p": 0.01, "shared": 0.9, "bound": BOUND}
        )
        return {"necessity": NECESSITY.conform(rows)}


def planted(world: World) -> Iterator[Planted]:
    """Give the effects on the set of faithful subnetworks."""
    model = Model.of(world)
    for seeds in (4, 12):
        yield from _ranges(seeds)
        yield from _kinds(seeds)
    repelled: tuple[tuple[str, Truth, Repelled], ...] = (
        ("heads at random within layers", "absent", Repelled(model=model)),
        ("all keep a core", "holds", Repelled(model=model, core_kept=1.0)),
    )
    for effect, truth, draw in repelled:
        yield Planted(
            effect=effect,
            design=f"{REPELLED_AT_ONCE} subnetworks",
            claims=(Claim(question="repulsion", truth=truth),),
            draw=draw,
        )
    yield from _needs(model)


def _ranges(seeds: int) -> Iterator[Planted]:
    base = Aimed(seeds=seeds, difference=0.0)
    effects: tuple[tuple[float, Truth], ...] = (
        (0.0, "absent"),
        (ASKED / 2, "between"),
        (ASKED, "holds"),
        (2 * ASKED, "holds"),
    )
    for difference, truth in effects:
        yield Planted(
            effect=f"AUROCs of the extremes differ by {difference:g}",
            design=f"{seeds} searches",
            claims=(Claim(question="generalisation_range", truth=truth, effect=difference),),
            draw=replace(base, difference=difference),
            covered=("generalisation-range",),
        )


def _kinds(seeds: int) -> Iterator[Planted]:
    base = Aimed(seeds=seeds, difference=3 * ASKED)
    effects: tuple[tuple[str, Truth, Aimed], ...] = (
        ("both kinds coexist", "holds", base),
        ("one kind is nested in the other", "absent", replace(base, apart=FAR)),
        # Some are faithful, so that both kinds coexist, however many are not.
        ("both kinds coexist, half of the searches fail", "holds", replace(base, apart=0.0)),
    )
    for effect, truth, draw in effects:
        yield Planted(
            effect=effect,
            design=f"{seeds} searches",
            claims=(Claim(question="coexistence", truth=truth, effect=draw.apart),),
            draw=draw,
            covered=("coexistence",),
        )


def _needs(model: Model) -> Iterator[Planted]:
    base = Needed(model=model, of_core=0.5, of_others=0.5)
    effects: tuple[tuple[str, Truth, Needed], ...] = (
        ("half of all heads are necessary", "nothing", base),
        ("the core is necessary", "holds", replace(base, of_core=1.0, of_others=0.1)),
        ("a tenth of all heads is", "absent", replace(base, of_core=0.1, of_others=0.1)),
    )
    for effect, truth, draw in effects:
        yield Planted(
            effect=effect,
            design=f"{int(model.core.sum())} core heads",
            claims=(Claim(question="necessity", truth=truth),),
            draw=draw,
            ends={"verdict": (0.0, 1.0)},
        )

"""How often verdicts are right: studies are simulated of which the truth is known.

For every question and planted effect the page gives the share of studies in which the claim is
supported, contradicted and not decided. A verdict is wrong if it supports a claim that is false, or
contradicts one that holds at the size that it asks for; where nothing at all differs, either
decision is wrong, unless it contradicts by equivalence. A second table gives the coverage of
nominal 95 % intervals.

    python benchmarks/verdicts.py --fit docs/results/minilm-mnli-hans/augmented
    python benchmarks/verdicts.py --studies 1000 --jobs 2
"""

from __future__ import annotations

import argparse
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import heuristic_core.analysis
from common import count, new_parser, run, save
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.errors import InputError, expect_known
from heuristic_core.storage import write_json
from laboratory import fit, world
from laboratory.cells import all_planted
from laboratory.draws import Drawn, coverage, draw, shares
from laboratory.page import beyond, collected, coverage_table, not_covered, share_tables
from laboratory.planted import Planted
from laboratory.world import World

HERE = Path(__file__).parent
TOY = {
    "studies": 4,
    "jobs": 1,
    "design": ["6 seeds", "3 seeds, arms' grid, 220", "2 fine-tunings", "4 pairs"],
    "questions": ["faithfulness", "smoothness", "core", "core_overlap", "disjoint"],
}

INTRO = (
    "Shares of simulated studies in per cent. The claim is true, false, or nothing at all differs, "
    "where a verdict in either direction is wrong; effects between these are neither. Bold: wrong "
    "in more than 6.5 %, and coverage below 93 % or above 98.5 %. The true value of an interval is "
    "the planted one where it is known, else the mean of the estimates over all studies."
)


@lru_cache(maxsize=1)
def planted_in(some: World) -> dict[str, Planted]:
    """Return all planted effects by name; a process makes them once."""
    return all_planted(some)


def drawn_chunk(some: World, name: str, chunk: int, n_studies: int) -> Drawn:
    """Draw one chunk of the studies of a planted effect."""
    return draw(planted_in(some)[name], [zlib.crc32(name.encode()), chunk], n_studies)


def chunks(planted: Planted, n_studies: int) -> Iterator[int]:
    """Give the numbers of studies of each chunk."""
    for start in range(0, n_studies, planted.at_once):
        yield min(planted.at_once, n_studies - start)


def result(
    some: World, planted: Planted, n_studies: int, pool: ProcessPoolExecutor | None
) -> dict[str, Any]:
    """Draw all studies of a planted effect and say what they come to."""
    sizes = list(chunks(planted, n_studies))
    arguments = ([some] * len(sizes), [planted.name] * len(sizes), range(len(sizes)), sizes)
    parts = (map if pool is None else pool.map)(drawn_chunk, *arguments)
    every: Iterable[Drawn] = iter(parts)
    total = next(iter(every))
    for part in every:
        total.add(part)
    return {"shares": shares(planted, total), "coverage": coverage(planted, total)}


def basis(path: Path) -> str:
    """Return a hash of what results rest on: the world, the questions and the simulations."""
    digest = hashlib.sha256(path.read_bytes())
    for folder in (HERE / "laboratory", Path(heuristic_core.analysis.__path__[0])):
        for file in sorted(folder.glob("*.py")):
            if file.name != "page.py":
                digest.update(file.read_bytes())
    return digest.hexdigest()


def cached(options: argparse.Namespace, planted: Planted, rests_on: str) -> Path:
    """Return the file that keeps the result of a planted effect."""
    key = f"{rests_on} {planted.name} {options.studies}"
    return options.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def chosen(options: argparse.Namespace, planted: Planted) -> bool:
    """Say whether a planted effect is asked for."""
    asked = not options.questions or set(options.questions) & set(planted.questions)
    return bool(asked) and (
        not options.design or any(words in planted.design for words in options.design)
    )


def benchmark(options: argparse.Namespace) -> None:
    if options.fit is not None:
        numbers = fit.fit(options.fit)
        world.save(options.world, numbers, f"A world fitted to the tables in {options.fit}.")
        print(options.world)
        return
    expect_known("question", options.questions, [question.key for question in QUESTIONS])
    some, rests_on = world.load(options.world), basis(options.world)
    every = planted_in(some)
    wanted = [planted for planted in every.values() if chosen(options, planted)]
    if not wanted:
        raise InputError("no planted effect has these questions and this design")
    if options.toy:
        options.cache = options.out / "verdicts"
    pool = ProcessPoolExecutor(options.jobs) if options.jobs > 1 else None
    for planted in wanted:
        path = cached(options, planted, rests_on)
        if not path.is_file():
            write_json(path, result(some, planted, options.studies, pool))
            print(planted.name, flush=True)
    # All that was drawn with this code and world, whatever was asked for now.
    paths = [cached(options, planted, rests_on) for planted in every.values()]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    rows, covered = (collected(found, what) for what in ("shares", "coverage"))
    worse = beyond(rows) or ["None."]
    parts = [
        f"{len(found)} of {len(every)} planted effects were drawn.",
        "## Beyond the bars",
        "\n".join(worse),
        "## Decisions",
        share_tables(rows),
        "## Coverage",
        f"Not measured: {not_covered(covered) or 'none'}.",
        coverage_table(covered),
    ]
    content = {"shares": rows, "coverage": covered}
    for name in ("questions", "design", "jobs", "fit"):  # on which results do not depend
        delattr(options, name)
    save(options, "verdicts", "How often verdicts are right", INTRO, "\n\n".join(parts), content)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--studies", type=count, default=1000, help="of each planted effect")
    keys = [question.key for question in QUESTIONS]
    parser.add_argument("--questions", nargs="+", default=[], metavar="KEY", help=", ".join(keys))
    parser.add_argument("--design", nargs="+", default=[], help="words of a design")
    parser.add_argument("--jobs", type=count, default=1, help="processes")
    parser.add_argument("--world", type=Path, default=HERE / "verdicts.toml", help="the world")
    parser.add_argument("--fit", type=Path, help="fit the world to this run's tables, and end")
    parser.add_argument("--cache", type=Path, default=HERE / "cache/verdicts", help="parts drawn")
    run(benchmark, parser, TOY, arguments)


if __name__ == "__main__":
    main()

"""How often verdicts are right: studies are simulated of which the truth is known.

For every question and planted effect the page gives the share of studies in which the claim is
supported, contradicted and not decided. A verdict is wrong if it supports a claim that is false, or
contradicts one that holds at the size that it asks for; where nothing at all differs, either
decision is wrong, unless it contradicts by equivalence. A second table gives the coverage of
nominal 95 % intervals.

    python benchmarks/verdicts.py --fit docs/results/minilm-mnli-hans/augmented
    python benchmarks/verdicts.py --studies 1000 --jobs 2

Results that were drawn before with the same code and world, of at least so many studies, stay.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from common import count, new_parser, run
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.errors import InputError, expect_known
from heuristic_core.models.device import hardware
from heuristic_core.storage import read_json, write_json, write_text
from laboratory import fit, world
from laboratory.basis import basis
from laboratory.cells import all_planted
from laboratory.draws import Drawn, coverage, draw, shares
from laboratory.page import (
    MOST_WRONG,
    beyond,
    collected,
    coverage_table,
    not_covered,
    share_tables,
    unexplained,
)
from laboratory.planted import Planted
from laboratory.world import World

HERE = Path(__file__).parent
#: What is beyond a bar is drawn again, with so many times as many studies, from this chunk on.
AGAIN, FIRST_AGAIN = 4, 100_000
TOY = {
    "studies": 4,
    "jobs": 1,
    "design": ["6 seeds", "3 seeds, arms' grid, 220", "2 fine-tunings", "4 pairs"],
    "questions": ["faithfulness", "smoothness", "core", "core_overlap", "disjoint"],
}

INTRO = (
    "Shares of simulated studies in per cent. The claim is true, false, or nothing at all differs, "
    "where a verdict in either direction is wrong; effects between these are neither. Effects with "
    "a verdict that is wrong in more than 6.5 %, or with an interval whose coverage is, for no "
    f"known reason, beyond 93 to 98.5 %, are drawn again, {AGAIN} times as often and with other "
    "seeds, and that counts. Bold: wrong in more than 6.5 %, and coverage below 93 % or above "
    "98.5 %. The true value of an interval is the planted one where it is known, else the "
    "mean of the estimates over all studies."
)


@lru_cache(maxsize=1)
def planted_in(some: World) -> dict[str, Planted]:
    """Return all planted effects by name; a process makes them once."""
    return all_planted(some)


def drawn_chunk(some: World, name: str, chunk: int, n_studies: int) -> Drawn:
    """Draw one chunk of the studies of a planted effect."""
    # The tables of a study are small: strings of Python take a sixth less time than those of Arrow.
    with pd.option_context("mode.string_storage", "python"):
        return draw(planted_in(some)[name], [zlib.crc32(name.encode()), chunk], n_studies)


def chunks(planted: Planted, n_studies: int) -> Iterator[int]:
    """Give the numbers of studies of each chunk."""
    for start in range(0, n_studies, planted.at_once):
        yield min(planted.at_once, n_studies - start)


def result(
    some: World, planted: Planted, n_studies: int, pool: ProcessPoolExecutor | None
) -> dict[str, Any]:
    """Draw all studies of a planted effect and say what they come to.

    Of so many verdicts some are wrong too often by chance, and some intervals cover too seldom or
    too often: these are drawn again, more often.
    """
    found = drawn(some, planted, n_studies, pool)
    too_wrong = any(row["wrong"] > MOST_WRONG for row in found["shares"])
    if too_wrong or any(map(unexplained, found["coverage"])):
        found = drawn(some, planted, AGAIN * n_studies, pool, first=FIRST_AGAIN)
    return found


def drawn(
    some: World,
    planted: Planted,
    n_studies: int,
    pool: ProcessPoolExecutor | None,
    first: int = 0,
) -> dict[str, Any]:
    """Draw so many studies; ``first`` is the number of the first chunk, the seed of its draws."""
    sizes = list(chunks(planted, n_studies))
    numbers = range(first, first + len(sizes))
    arguments = ([some] * len(sizes), [planted.name] * len(sizes), numbers, sizes)
    parts = (map if pool is None else pool.map)(drawn_chunk, *arguments)
    every: Iterable[Drawn] = iter(parts)
    total = next(iter(every))
    for part in every:
        total.add(part)
    return {"shares": shares(planted, total), "coverage": coverage(planted, total)}


def standing(path: Path, on: Mapping[str, str], n_studies: int) -> dict[str, dict[str, Any]]:
    """Read the results that were drawn with this code and world, of enough studies."""
    if not path.is_file():
        return {}
    return {
        name: result
        for name, result in read_json(path)["planted"].items()
        if on.get(name) == result["basis"] and result["studies"] >= n_studies
    }


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
    some = world.load(options.world)
    every = planted_in(some)
    wanted = [planted for planted in every.values() if chosen(options, planted)]
    if not wanted:
        raise InputError("no planted effect has these questions and this design")
    on = {name: basis(planted) for name, planted in every.items()}
    results = standing(options.out / "verdicts.json", on, 1)
    enough = standing(options.out / "verdicts.json", on, options.studies)
    pool = ProcessPoolExecutor(options.jobs) if options.jobs > 1 else None
    for planted in wanted:
        if planted.name not in enough:
            drawn_on = {"basis": on[planted.name], "studies": options.studies}
            results[planted.name] = drawn_on | result(some, planted, options.studies, pool)
            write(options, every, results)  # what is drawn is kept
            print(planted.name, flush=True)
    write(options, every, results)
    print((options.out / "verdicts.md").read_text(encoding="utf-8"))


def write(
    options: argparse.Namespace, every: Iterable[str], results: Mapping[str, dict[str, Any]]
) -> None:
    """Write the results of all planted effects that stand, in their order, and the page."""
    kept = {name: results[name] for name in every if name in results}
    rows, covered = (collected(kept.values(), what) for what in ("shares", "coverage"))
    parts = [
        f"{len(kept)} of {len(list(every))} planted effects were drawn.",
        "## Beyond the bars",
        "\n".join(beyond(rows, covered) or ["None."]),
        "## Decisions",
        share_tables(rows),
        "## Coverage",
        f"Not measured: {not_covered(covered) or 'none'}.",
        coverage_table(covered),
    ]
    # Results do not depend on what was asked for now; each line says how many studies it rests on.
    facts = {"threads": options.threads, "torch": torch.__version__}
    facts |= {"processor": hardware("cpu")}
    write_json(options.out / "verdicts.json", {"setting": facts, "planted": kept})
    note = ", ".join(f"{key} {value}" for key, value in facts.items())
    head = ["# How often verdicts are right", note, INTRO]
    write_text(options.out / "verdicts.md", "\n\n".join([*head, *parts]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--studies", type=count, default=1000, help="of each planted effect")
    keys = [question.key for question in QUESTIONS]
    parser.add_argument("--questions", nargs="+", default=[], metavar="KEY", help=", ".join(keys))
    parser.add_argument("--design", nargs="+", default=[], help="words of a design")
    parser.add_argument("--jobs", type=count, default=1, help="processes")
    parser.add_argument("--world", type=Path, default=HERE / "verdicts.toml", help="the world")
    parser.add_argument("--fit", type=Path, help="fit the world to this run's tables, and end")
    run(benchmark, parser, TOY, arguments)


if __name__ == "__main__":
    main()

"""Arguments of a wrong type or size: every call of the library refuses them in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jaxtyping
import numpy as np
import pytest
from refusal import refused

import heuristic_core as hc
from tiny import save_tiny, some_pairs

NAN = float("nan")
Call = Callable[[Any], object]  # of what the fixture ``given`` has


def found(sparsity: Any = 0.5, **more: Any) -> Call:
    return lambda x: hc.find_subnetwork(x.model, x.data, sparsity, **{"method": "random"} | more)


def several(sparsities: Any) -> Call:
    return lambda x: hc.find_subnetworks(x.model, x.data, sparsities, method="random")


def together(seeds: Any, **more: Any) -> Call:
    given = {"method": "learned"} | more
    return lambda x: hc.find_subnetworks_together(x.model, x.data, [0.5], seeds=seeds, **given)


def evaluated(**more: Any) -> Call:
    return lambda x: hc.evaluate(x.model, x.suite, **more)


def validated(**more: Any) -> Call:
    return lambda x: hc.validate(x.model, x.task, x.sub, **more)


def sampled(**more: Any) -> Call:
    return lambda x: hc.sample_subnetworks(x.model, x.data, 0.5, **more)


def entered(make: Callable[[Any], Any]) -> Call:
    def enter(x: Any) -> None:
        with make(x):
            pass

    return enter


def built(**more: Any) -> Call:
    return lambda x: hc.Subnetwork(**{"space": x.model.space, "kept": []} | more)


EACH_ONCE = "name at least one seed, and each once"
OUTSIDE = r"outside \[0, 1\)"
NO_MODEL = "the model must be of the type Classifier, not .*load it with load_model"
OTHERS = "another model's"

CALLS: dict[str, tuple[Call, str]] = {
    # load_model
    "model a number": (lambda x: hc.load_model(5), "unknown model '5'"),
    "model nothing": (lambda x: hc.load_model(None), "unknown model 'None'"),
    "dtype a list": (lambda x: hc.load_model(x.folder, dtype=["float32"]), "unknown dtype"),
    "device a number": (lambda x: hc.load_model(x.folder, device=5), "unknown device '5'"),
    "length a text": (lambda x: hc.load_model(x.folder, max_length="9"), "max_length is '9', but"),
    # load_task and load_suite
    "task a number": (lambda x: hc.load_task(5), "unknown task '5'; known: hans-grammar"),
    "task nothing": (lambda x: hc.load_task(None), "unknown task 'None'"),
    "task bytes": (lambda x: hc.load_task(b"hans-grammar"), "unknown task"),
    "task a task": (lambda x: hc.load_task(x.task), "unknown task"),
    "task's seed a text": (
        lambda x: hc.load_task("hans-grammar", seed="x"),
        "seed is 'x', but must",
    ),
    "task's seed negative": (lambda x: hc.load_task("hans-grammar", seed=-1), "number from 0"),
    "task's seed true": (lambda x: hc.load_task("hans-grammar", seed=True), "seed is True"),
    "task's seed nothing": (lambda x: hc.load_task("x.toml", seed=None), "seed is None"),
    "data a number": (
        lambda x: hc.load_task("mnli+hans", data=5),
        "the data folder must be of the",
    ),
    "data a list": (lambda x: hc.load_suite("hans", data=["x"]), "the data folder must be of the"),
    "suite a list": (lambda x: hc.load_suite(["hans"]), "unknown suite"),
    "per case a text": (lambda x: hc.load_suite("hans-grammar", per_case="x"), "per_case is 'x'"),
    "per case half": (lambda x: hc.load_suite("hans-grammar", per_case=1.5), "per_case is 1.5"),
    # whole steps
    "run a number": (lambda x: hc.run(5), "the study must be of the type"),
    "run nothing": (lambda x: hc.run("no-study"), "no-study"),
    "check a number": (lambda x: hc.check("no/model"), "unknown model|no/model"),
    "finetune on nothing": (
        lambda x: hc.finetune(x.folder, 5, x.folder),
        "the task must be of the type Task|must be of the type",
    ),
    "finetune no steps": (lambda x: hc.finetune(x.folder, x.task, "new", steps=0), "steps is 0"),
    "finetune a named seed": (lambda x: hc.finetune(x.folder, x.task, "new", seed="a"), "seed is"),
    "opened a number": (lambda x: hc.load_run(5), "a path must be"),
    "opened a model": (lambda x: hc.load_run(x.folder), "is no run folder"),
    "compared alone": (lambda x: hc.compare(x.folder), "takes at least two runs, and 1 is given"),
    "attention of an MLP": (
        lambda x: hc.attention(x.model, "L0MLP", "A text."),
        "L0MLP is an MLP layer, which does not attend",
    ),
    "attention of no text": (lambda x: hc.attention(x.model, "L0H0", 5), "the text must be of"),
    "removal of no unit": (
        lambda x: hc.removal(x.model, "L9H0", task=x.task),
        "there is no unit L9H0",
    ),
    "patched without means": (
        lambda x: hc.path_patching(x.model, x.suite, senders=["L0H0"], receivers=["L1H0"]),
        "nothing says what replaces the senders' outputs",
    ),
    "patched downwards": (
        lambda x: hc.path_patching(x.model, x.task, senders=["L1H0"], receivers=["L0H0"]),
        "no receiver is in a layer above the sender L1H0",
    ),
    "patched within a layer": (
        lambda x: hc.path_patching(x.model, x.task, senders=["L1H0"], receivers=["L1H1"]),
        "no receiver is in a layer above the sender L1H0",
    ),
    "one receiver below all senders": (
        lambda x: hc.path_patching(x.model, x.task, senders=["L0H0"], receivers=["L1H1", "L0H1"]),
        "no sender is in a layer below the receiver L0H1, .*; leave L0H1 out",
    ),
    "one sender above all receivers": (
        lambda x: hc.path_patching(x.model, x.task, senders=["L0H0", "L1H0"], receivers=["L1H1"]),
        "no receiver is in a layer above the sender L1H0, .*; leave L1H0 out",
    ),
    # validate
    "validated on a name": (lambda x: hc.validate(x.model, "hans", x.sub), "the task must be of"),
    "validated no model": (lambda x: x.sub.validate("minilm", x.task), NO_MODEL),
    "validated a path": (lambda x: hc.validate(x.model, x.task, "sub"), "the subnetwork must be"),
    "validated another's": (
        lambda x: hc.validate(x.model, x.task, x.other_sub),
        "has 3 layers x 4 heads, the model 2 layers",
    ),
    "too few draws": (validated(draws=19), "draws is 19, but must be a whole number from 20"),
    "no example": (validated(examples=0), "examples is 0, but must be a whole number from 1"),
    "one example": (validated(unit_examples=1), "unit_examples is 1, but must be a whole number"),
    "half a search": (validated(searches=0.5), "searches is 0.5, but must be a whole number"),
    "draws below none": (validated(case_draws=-1), "case_draws is -1, but must be"),
    "a core of one text": (validated(core="L0H0"), "is no unit"),
    "a core elsewhere": (validated(core=["L9H0"]), "there is no unit L9H0 here"),
    "transferred to a name": (
        validated(transfer_to=["hans"]),
        "what subnetworks are run on must be of the type Task or Suite",
    ),
    "transferred twice": (
        lambda x: hc.validate(x.model, x.task, x.sub, transfer_to=[x.task]),
        "is given twice; give it once",
    ),
    "an unknown setting": (
        validated(precision="float9"),
        "unknown precision",
    ),
    "a search that is not recorded": (
        lambda x: hc.removal(x.model, "L0H0", ablation="zero").validate(
            x.model, x.task, searches=1
        ),
        r"does not record its search \(method is missing\).*leave searches out",
    ),
    # enumerate_subnetworks, sample_subnetworks and presence_effects
    "enumerated by a path": (lambda x: hc.enumerate_subnetworks("minilm", x.data, 0.5), NO_MODEL),
    "enumerated on a name": (
        lambda x: hc.enumerate_subnetworks(x.model, "hans", 0.5),
        "masks are learned on a task, examples or search data, not on a str",
    ),
    "all dropped": (lambda x: hc.enumerate_subnetworks(x.model, x.data, 1.0), OUTSIDE),
    "no limit": (
        lambda x: hc.enumerate_subnetworks(x.model, x.data, 0.5, limit=0),
        "limit is 0, but must be a whole number from 1",
    ),
    "too many": (
        lambda x: hc.enumerate_subnetworks(x.model, x.data, 0.5, limit=9),
        "252 ways, more than the limit of 9; sample them with sample_subnetworks",
    ),
    "sampled by a path": (lambda x: hc.sample_subnetworks("minilm", x.data, 0.5), NO_MODEL),
    "no subnetwork": (sampled(n=0), "n is 0, but must be a whole number from 1"),
    "half a move": (sampled(steps=0.5), r"steps is 0.5, but must be a whole number"),
    "one chain": (sampled(chains=1), "chains is 1, but must be a whole number from 2"),
    "a warm-up in words": (sampled(warm_up="long"), "warm_up is 'long', but must be"),
    "a seed in words": (sampled(seed="one"), "seed is 'one', but must be a whole number"),
    "no room": (sampled(bound=0), "bound is 0, but must be a number above 0"),
    "a bound in words": (sampled(bound="0.1"), "bound is '0.1', but must be a number"),
    "units in words": (sampled(units="mlps"), "unknown unit scope 'mlps'"),
    "starts that are no list": (sampled(starts=3), "starts must be of the type Iterable"),
    "no starts": (sampled(starts=[]), "starts are empty; give at least one subnetwork"),
    "a start that is none": (sampled(starts=["sub"]), "the subnetwork must be of the type"),
    "a start elsewhere": (
        lambda x: hc.sample_subnetworks(x.model, x.data, 0.5, starts=[x.other_sub]),
        "has 3 layers x 4 heads, the model 2 layers",
    ),
    "sampled from another size": (
        lambda x: hc.sample_subnetworks(x.model, x.data, 0.2, starts=[x.sub]),
        "a subnetwork to start from keeps 5 of 10",
    ),
    "effects in no sample": (
        lambda x: hc.presence_effects([x.sub], x.task),
        "the sample must be of the type SubnetworkSample, not list.*sample_subnetworks",
    ),
    # faithfulness_curves
    "curves of nothing": (
        lambda x: hc.faithfulness_curves(x.model, x.suite, {}),
        "there is no subnetwork to measure; give some by the name of a method",
    ),
    "curves of a list": (
        lambda x: hc.faithfulness_curves(x.model, x.suite, [x.sub]),
        "found must be of the type Mapping.*by the name of their method",
    ),
    "curves on a name": (
        lambda x: hc.faithfulness_curves(x.model, ["hans"], {"a": [x.sub]}),
        "what subnetworks are run on must be of the type Task or Suite",
    ),
    "curves on nothing": (
        lambda x: hc.faithfulness_curves(x.model, None, {"a": [x.sub]}),
        "what subnetworks are run on must be of the type Iterable, not NoneType",
    ),
    "curves on no examples": (
        lambda x: hc.faithfulness_curves(
            x.model, replace(x.suite, examples=x.suite.examples.take([])), {"a": [x.sub]}
        ),
        "has no examples; load it with some",
    ),
    # the set of faithful subnetworks
    "aimed at a name": (
        lambda x: hc.aim_at(x.model, "hans", towards="well", bound=0.1),
        "the suite to aim at must be of the type Suite",
    ),
    "aimed elsewhere": (
        lambda x: hc.aim_at(x.model, x.suite, towards="up", bound=0.1),
        "unknown aim 'up'",
    ),
    "aimed within nothing": (
        lambda x: hc.aim_at(x.model, x.suite, towards="well", bound=0),
        "the bound on the divergence is 0, but must be a number above 0",
    ),
    "a range of a name": (
        lambda x: hc.generalisation_range(x.model, "hans", 0.5),
        "the task must be of the type Task",
    ),
    "a range of no suite": (
        lambda x: hc.generalisation_range(x.model, x.task, 0.5, suite="mine"),
        "has no out-of-domain suite 'mine' to aim at",
    ),
    "repelled alone": (
        lambda x: hc.repelling_subnetworks(x.model, x.data, 0.5, n=1),
        "n is 1, but must be a whole number from 2",
    ),
    "repelled by less than nothing": (
        lambda x: hc.repelling_subnetworks(x.model, x.data, 0.5, weights=[-1]),
        "a weight is -1, but must be a number from 0",
    ),
    "repelled with a weight beside the weights": (
        lambda x: hc.repelling_subnetworks(x.model, x.data, 0.5, repel=0.3),
        "repel is set by the searches that repel each other; leave it out",
    ),
    "repelled with seeds beside the first": (
        lambda x: hc.repelling_subnetworks(x.model, x.data, 0.5, seeds=[1, 2]),
        "seeds is set by the searches that repel each other; leave it out",
    ),
    "necessity of another's": (
        lambda x: hc.necessity(x.model, x.task, x.other_sub),
        "has 3 layers x 4 heads, the model 2 layers",
    ),
    "necessity of sizes": (
        lambda x: hc.necessity(
            x.model, x.task, x.sub, others=[hc.removal(x.model, "L0H0", means=x.means)]
        ),
        "of different sizes or ablations",
    ),
    "necessity of bare examples": (
        lambda x: hc.necessity(x.model, x.pairs, x.sub),
        "the task must be of the type Task",
    ),
    "necessity judged by a task": (
        lambda x: hc.necessity(x.model, x.task, x.sub, judge=x.task),
        "judge must be of the type Suite or Examples or None",
    ),
    "necessity on zeros": (
        lambda x: hc.necessity(x.model, x.task, x.sub, data=x.zeros),
        "prepared with zero ablation",
    ),
    "necessity on other means": (
        lambda x: hc.necessity(x.model, x.task, x.sub, data=x.other_data),
        "hold other values for dropped units",
    ),
    "a range on zeros": (
        lambda x: hc.generalisation_range(
            x.model, x.task, 0.5, data=x.zeros, plain=[x.sub], seeds=[1]
        ),
        r"hold other values for dropped units \(zero ablation\) than a subnetwork \(mean",
    ),
    "a range of another size": (
        lambda x: hc.generalisation_range(
            x.model, x.task, 0.2, data=x.data, plain=[x.sub], seeds=[1]
        ),
        "a plain subnetwork keeps 5 of 10 units, not 8",
    ),
    "a range with forbidden units": (
        lambda x: hc.generalisation_range(x.model, x.task, 0.5, exclude=["L0H0"]),
        "exclude is set by the range itself",
    ),
    "a range of one seed": (
        lambda x: hc.generalisation_range(x.model, x.task, 0.5, seeds=1),
        r"seeds are a list such as \[1, 2\]",
    ),
    "a range within no number": (
        lambda x: hc.generalisation_range(x.model, x.task, 0.5, bound=NAN),
        "bound is nan, but must be a number above 0",
    ),
    "repelled on no examples": (
        lambda x: hc.repelling_subnetworks(x.model, x.data, 0.5, examples=0),
        "examples is 0, but",
    ),
    "repelled by nothing": (
        lambda x: hc.repelling_subnetworks(x.model, x.data, 0.5, weights=[None]),
        "a weight is None, but must be a number from 0",
    ),
    "repelled by a number": (
        lambda x: hc.repelling_subnetworks(x.model, x.data, 0.5, weights=0.5),
        "weights must be of the type Iterable",
    ),
    "counted within no number": (
        lambda x: hc.enumerate_subnetworks(x.model, x.data, 0.9, examples=2).count(NAN),
        "bound is nan, but must be a number from 0",
    ),
    "counted within a text": (
        lambda x: hc.enumerate_subnetworks(x.model, x.data, 0.9, examples=2).inclusion("a"),
        "bound is 'a', but must be a number from 0",
    ),
    "places enumerated": (
        lambda x: hc.enumerate_subnetworks(x.model, x.data, 0.9, examples=2)["a"],
        "the place must be of the type Integral",
    ),
    "mended with another's data": (
        lambda x: hc.mend(x.model, x.suite, hc.prepare(x.other, x.pairs), how="train_all"),
        "layers|other weights",
    ),
    "mended at no rate": (
        lambda x: hc.mend(x.model, x.suite, x.data, how="train_all", learning_rate=0),
        "learning_rate is 0, but must be a number above 0",
    ),
    "mended in batches of less than one": (
        lambda x: hc.mend(x.model, x.suite, x.data, how="train_all", batch_size=-2),
        "batch_size is -2, but",
    ),
    "mended without end": (
        lambda x: hc.mend(x.model, x.suite, x.data, how="train_all", fidelity=NAN),
        "fidelity is nan, but must be a number from 0",
    ),
    "ways to mend with a setting": (
        lambda x: hc.ways_to_mend(x.model, x.task, ["L0H0"], how="drop"),
        "unknown setting of mend 'how'",
    ),
    "ways to mend by few examples": (
        lambda x: hc.ways_to_mend(x.model, x.task, ["L0H0"], n_examples=2),
        "n_examples is 2, but the suite hans-grammar has",
    ),
    "mended somehow": (
        lambda x: hc.mend(x.model, x.suite, x.data, how="pray"),
        "unknown way of mending 'pray'",
    ),
    "mended nothing": (
        lambda x: hc.mend(x.model, x.suite, x.data, how="drop"),
        "name the units to change",
    ),
    "mended without data": (
        lambda x: hc.mend(x.model, x.suite, x.pairs, how="train_all"),
        "data must be of the type SearchData",
    ),
    "ways to mend by no suite": (
        lambda x: hc.ways_to_mend(x.model, x.task, ["L0H0"], suite="mine"),
        "no such out-of-domain suite to mend with",
    ),
    # evaluate and predict
    "evaluated on a name": (
        lambda x: hc.evaluate(x.model, "hans"),
        r"what is evaluated on must be of the type Suite, not str \('hans'\); load it with load_t",
    ),
    "evaluated on names": (lambda x: hc.evaluate(x.model, ["hans"]), "must be of the type Suite"),
    "evaluated on a number": (lambda x: hc.evaluate(x.model, 5), "must be of the type Suite"),
    "evaluated on examples": (lambda x: hc.evaluate(x.model, x.pairs), "type Suite, not Examples"),
    "evaluated on nothing": (lambda x: hc.evaluate(x.model, []), "no suite to evaluate on"),
    "evaluated a name": (lambda x: hc.evaluate("minilm", x.task), NO_MODEL),
    "evaluated a subnetwork": (lambda x: hc.evaluate(x.sub, x.task), NO_MODEL),
    "evaluated a bare model": (lambda x: hc.evaluate(x.model.hf, x.task), NO_MODEL),
    "subnetwork a path": (
        evaluated(subnetwork="sub"),
        "the subnetwork must be of the type Subnetw",
    ),
    "subnetwork of another": (
        lambda x: hc.evaluate(x.model, x.suite, subnetwork=x.other_sub),
        "has 3 layers x 4 heads, the model 2 layers",
    ),
    "batch of none": (
        evaluated(batch_size=0),
        "batch_size is 0, but must be a whole number from 1",
    ),
    "batch below none": (evaluated(batch_size=-3), "batch_size is -3"),
    "batch a text": (evaluated(batch_size="x"), "batch_size is 'x'"),
    "no seeds": (together([]), EACH_ONCE),
    "a seed twice": (together([1, 1]), EACH_ONCE),
    "seeds a number": (together(2), r"seeds are a list such as \[1, 2\], not 2"),
    "a seed below 0": (together([0, -1]), "seed -1 is no whole number"),
    "seeds of a method of one": (together([1, 2], method="random"), "takes one seed at a time"),
    "seeds with dropout": (together([1, 2], dropout=True), "with dropout, seeds are searched one"),
    "batch half": (evaluated(batch_size=1.5), "batch_size is 1.5"),
    "predicted examples": (
        lambda x: hc.predict(x.model, x.pairs),
        "encoded must be of the type Encoded, not Examples .*encode examples with model.encode",
    ),
    "predicted by a name": (lambda x: hc.predict("m", x.encoded), NO_MODEL),
    "predicted by none": (lambda x: hc.predict(x.model, x.encoded, batch_size=-1), "batch_size is"),
    "progress a number": (lambda x: hc.predict(x.model, x.encoded, progress=5), "progress must be"),
    # means and prepare
    "means over a name": (
        lambda x: hc.means(x.model, "hans"),
        "Suite or Examples, not str",
    ),
    "means of a name": (lambda x: hc.means("m", x.pairs), NO_MODEL),
    "means of none": (lambda x: hc.means(x.model, x.pairs, limit=0), "limit is 0"),
    "means of fewer": (lambda x: hc.means(x.model, x.pairs, limit=-1), "limit is -1"),
    "means of a text": (lambda x: hc.means(x.model, x.pairs, limit="x"), "limit is 'x'"),
    "means in batches of none": (
        lambda x: hc.means(x.model, x.pairs, batch_size=0),
        "batch_size is 0",
    ),
    "prepared a name": (lambda x: hc.prepare(x.model, "hans"), "type Task or Examples"),
    "prepared for a name": (lambda x: hc.prepare("m", x.pairs), NO_MODEL),
    "prepared with a median": (
        lambda x: hc.prepare(x.model, x.pairs, ablation="median"),
        "unknown ablation kind 'median'; did you mean 'mean'",
    ),
    "prepared with arrays": (
        lambda x: hc.prepare(x.model, x.pairs, values=x.means.arrays()),
        "values must be of the type AblationValues, not dict",
    ),
    "prepared with another's": (
        lambda x: hc.prepare(x.model, x.pairs, values=x.other_means),
        OTHERS,
    ),
    # find_subnetwork and find_subnetworks
    "sparsity a text": (found("x"), OUTSIDE),
    "sparsity nothing": (found(None), OUTSIDE),
    "sparsity not a number": (found(NAN), OUTSIDE),
    "sparsity one": (found(1), OUTSIDE),
    "sparsity percent": (found(50), OUTSIDE),
    "sparsity negative": (found(-0.1), OUTSIDE),
    "sparsity true": (found(True), OUTSIDE),
    "sparsity a list": (found([0.5]), OUTSIDE),
    "sparsity imaginary": (found(1j), OUTSIDE),
    "sparsity an array": (found(np.array([0.5])), OUTSIDE),
    "sparsities a number": (several(0.5), "sparsities are a list such as"),
    "sparsities a text": (several("0.5"), "sparsities are a list such as"),
    "sparsities none": (several([]), "name at least one sparsity"),
    "seed a text": (found(seed="x"), "seed 'x' is no whole number"),
    "seed true": (found(seed=True), "seed True is no whole number"),
    "seed negative": (found(seed=-1), "seed -1 is no whole number"),
    "method unknown": (found(method="best"), "unknown search method 'best'"),
    "method a list": (found(method=["random"]), "unknown search method"),
    "method nothing": (found(method=None), "unknown search method 'None'"),
    "units unknown": (found(units=5), "unknown unit scope '5'"),
    "excluded a number": (found(exclude=5), "exclude must be of the type Collection"),
    "excluded nothing": (found(exclude=None), "exclude must be of the type Collection"),
    "excluded nowhere": (found(exclude=["L9H9"]), "there is no unit L9H9 here"),
    "provenance a text": (found(provenance="x"), "provenance must be of the type Mapping"),
    "search's progress": (found(progress=5), "progress must be of the type Callable"),
    "option unknown": (found(step=1), "unknown option of the search method 'random'"),
    "searched a name": (lambda x: hc.find_subnetwork("m", x.data, 0.5), NO_MODEL),
    "searched on a name": (lambda x: hc.find_subnetwork(x.model, "x", 0.5), "not on a str"),
    "searched another": (lambda x: hc.find_subnetwork(x.other, x.data, 0.5), OTHERS),
    # without
    "removed from a name": (entered(lambda x: hc.without("m", "L0H0")), NO_MODEL),
    "removed a list": (
        entered(lambda x: hc.without(x.model, ["L0H0"])),
        "is no unit; write a head",
    ),
    "removed for a name": (
        entered(lambda x: hc.without(x.model, "L0H0", means="x")),
        "means must be of the type AblationValues or None",
    ),
    "removed for another's": (
        entered(lambda x: hc.without(x.model, "L0H0", means=x.other_means)),
        OTHERS,
    ),
    # Unit and UnitSpace
    "layer a text": (lambda x: hc.Unit("x"), "the layer of a unit is 'x'"),
    "layer negative": (lambda x: hc.Unit(-1), "the layer of a unit is -1"),
    "head half": (lambda x: hc.Unit(0, 0.5), "the head of a unit is 0.5"),
    "label a number": (lambda x: hc.Unit.parse(5), "5 is no unit"),
    "heads a number": (lambda x: hc.UnitSpace(5), "heads must be of the type tuple"),
    "heads half": (lambda x: hc.UnitSpace((4.5,)), "the number of heads of a layer is 4.5"),
    "mask of a number": (lambda x: x.model.space.mask(5), "units must be of the type Iterable"),
    "mask a number": (lambda x: x.model.space.from_mask(5), r"shape \(\) does not fit 10 units"),
    "mask a table": (lambda x: x.model.space.from_mask(np.zeros((10, 2))), "does not fit 10 units"),
    # Subnetwork
    "space a tuple": (built(space=(4, 4)), "the space of a subnetwork must be of the type UnitSp"),
    "kept a number": (built(kept=5), "the units kept must be of the type Iterable"),
    "kept of nowhere": (built(kept=["L9H9"]), "there is no unit L9H9 here"),
    "ablation a list": (built(ablation=["mean"]), "unknown ablation kind"),
    "soft of texts": (built(soft=["a"] * 10), "soft values are not all finite numbers"),
    "soft of nothing": (built(soft=[None] * 10), "soft values are not all finite numbers"),
    "values a number": (built(values=5), "the ablation values must be of the type Mapping"),
    "values of lists": (
        built(values={"L0.mlp": [1.0]}),
        "value L0.mlp must be of the type ndarray",
    ),
    "facts a number": (built(provenance=5), "the provenance must be of the type Mapping"),
    "loaded from a number": (lambda x: hc.Subnetwork.load(5), "a path must be of the type str or"),
    "loaded from nothing": (lambda x: hc.Subnetwork.load(None), "a path must be of the type str"),
    "saved to a number": (lambda x: x.sub.save(5), "a path must be of the type str or PathLike"),
    "compared to a number": (
        lambda x: x.sub.units_jaccard(5),
        "the other subnetwork must be of the type",
    ),
    "and a number": (lambda x: x.sub & 5, "the other subnetwork must be of the type Subnetwork"),
    "or another's": (lambda x: x.sub | x.other_sub, "models with different units"),
    "minus a set": (lambda x: x.sub - {"L0H0"}, "the other subnetwork must be of the type"),
    "applied to a name": (lambda x: x.sub.applied("m"), NO_MODEL),
    "applied to another": (entered(lambda x: x.sub.applied(x.other)), "the model 3 layers"),
    "compacted from a name": (lambda x: x.sub.compact("m"), NO_MODEL),
    "compacted from another": (lambda x: x.sub.compact(x.other), "the model 3 layers"),
    "compacted again": (lambda x: x.sub.compact(x.small), "is a compacted model"),
    "provenance an object": (
        lambda x: replace(x.sub, provenance={"a": object()}).save("po"),
        "holds something that JSON does not",
    ),
    "provenance half a character": (
        lambda x: replace(x.sub, provenance={"a": "\ud800"}).save("po"),
        "holds something that JSON does not",
    ),
    "saved to half a character": (lambda x: x.sub.save("x/\ud800"), "is no path; give one"),
    "saved to a zero byte": (lambda x: x.sub.save("a\0b"), r"'a\\x00b' is no path; give one"),
    "small saved to a zero byte": (lambda x: x.small.save("a\0b"), r"'a\\x00b' is no path"),
    "small saved to a number": (lambda x: x.small.save(5), "a path must be of the type str or"),
    # Classifier
    "a classifier of a name": (lambda x: hc.Classifier("m", None), "hf must be of the type PreTr"),
    "a tokenizer's name": (
        lambda x: hc.Classifier(x.model.hf, "bert"),
        "the tokenizer must be of the type PreTrainedTokenizerBase, not str",
    ),
    "a classifier of no length": (
        lambda x: hc.Classifier(x.model.hf, x.model.tokenizer, max_length=0),
        "max_length is 0, but must be a whole number from 4",
    ),
    "encoded a name": (lambda x: x.model.encode("x"), "examples must be of the type Examples"),
    "encoded a task": (lambda x: x.model.encode(x.task), "examples must be of the type Examples"),
    "logits of a name": (lambda x: x.model.logits("x"), "encoded must be of the type Encoded"),
    "gated with a name": (entered(lambda x: x.model.gated("x")), "must be of the type AblationVal"),
    "running as a name": (
        entered(lambda x: x.model.running_as("x")),
        "must be of the type Subnetw",
    ),
}


@pytest.fixture(scope="module")
def given(tiny_folder, tmp_path_factory):
    """A model with all that is made of it, and another that has a layer more."""
    model, pairs = hc.load_model(tiny_folder), some_pairs(16)
    other = hc.load_model(save_tiny(tmp_path_factory.mktemp("other"), n_layers=3))
    task = hc.load_task("hans-grammar", train_size=8, search_size=8, id_size=8, per_case=1)
    data = hc.prepare(model, pairs)
    sub, other_sub = (
        hc.find_subnetwork(which, what, 0.5, method="random")
        for which, what in ((model, data), (other, pairs))
    )
    return SimpleNamespace(
        folder=tiny_folder,
        model=model,
        other=other,
        pairs=pairs,
        encoded=model.encode(pairs),
        task=task,
        suite=task.suites[0],
        data=data,
        means=data.values,
        other_means=hc.means(other, pairs),
        sub=sub,
        other_sub=other_sub,
        zeros=hc.prepare(model, pairs, ablation="zero"),
        other_data=hc.prepare(model, task),
        small=sub.compact(model),
    )


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS)
def test_refused(given, tmp_path, monkeypatch, call, message):
    # As a user has it: the checks of types that the tests add would refuse it first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    refused(lambda: call(given), message, tmp_path)


def test_every_public_name_is_called():
    text = Path(__file__).read_text(encoding="utf-8")
    missing = [name for name in hc.__all__ if f"hc.{name}(" not in text]
    assert missing == ["InputError", "LoadedRun", "Suite", "Task"]

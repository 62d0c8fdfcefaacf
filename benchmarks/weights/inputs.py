"""Is a start from wrongly scaled inputs called better: ``python -m benchmarks.weights inputs``.

A new task of plain digits, 6 images of each, comes after one study of others whose inputs were
scaled in another way, or whose labels were reversed; ``plain`` is as the new task, to see that
good starts are still chosen. ``rank_checkpoints`` has this one start to choose, first without a
bound, then for at most half of 360 steps, by each of some rules: scratch is trained for a handicap
of the start's steps. ``two rates`` is a handicap of 2 where, if the bound leaves a start a single
learning rate, scratch, which may want another, has the next higher one too.

Then the model is trained from the start and from scratch, each at the best of four learning rates
and stopped by validation images, twice, with other initialisations and batches. Scratch may go on
for 180 steps more at each rate, as many as choosing may cost of 360. ``ends`` is how much better
the start's accuracy on test images is. A start is wrong to choose if it ends lower by more than
two standard errors of such a mean of two, over all starts, and good if it ends more than .05
higher; ``gain`` counts 0 where scratch is chosen.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from itertools import product
from itertools import takewhile
from pathlib import Path
import tempfile
from typing import Any

import numpy as np
import optuna
import pandas as pd

from benchmarks.weights import methods
from benchmarks.weights import run
from benchmarks.weights import sources
from benchmarks.weights import tasks
from benchmarks.weights.domains import images
from optuna_meta import weights


_SHOTS = 6  # Images of each class to choose by and to train on.
_PLANNED = (0, 360)  # Steps; 0 is no bound.
_LONGER = (200, 260, 330)  # Steps of scratch, after those of a start.
_REPEATS = 2
_GOOD = 0.05  # Of accuracy.

REVERSED = "reversed labels"
KINDS: dict[str, images.Condition] = {
    "plain": lambda x, rng: x,
    REVERSED: lambda x, rng: x,
    "times 255": lambda x, rng: 255.0 * x,
    "plus 5": lambda x, rng: x + 5.0,
    "times 10, minus 3": lambda x, rng: 10.0 * x - 3.0,
    "standardised": lambda x, rng: (x - x.mean()) / x.std(),
    "each image standardised": lambda x, rng: (
        (x - x.mean((1, 2, 3), keepdims=True)) / x.std((1, 2, 3), keepdims=True)
    ),
    "inverted": lambda x, rng: 1.0 - x,
}

# A row is a rule's choice for one seed and kind of source, and how the start ends over scratch.
COLUMNS = (
    "domain", "seed", "kind", "rule", "planned", "chosen", *(f"gain {i}" for i in range(_REPEATS))
)  # fmt: skip


@dataclass(frozen=True)
class TwoRates(weights.ShortlistThenTrain):
    """A choice in which scratch has two learning rates where a start has one."""

    @property
    def scratch_training(self) -> weights.ShortTraining:
        """How scratch is tried."""
        training = super().scratch_training
        if len(training.rates) > 1:
            return training
        return replace(training, rates=(*training.rates, 4.0 * training.rates[0]))


Rules = Mapping[str, weights.ShortlistThenTrain]
RULES: Rules = {
    "handicap 2": weights.ShortlistThenTrain(handicap=2.0),
    "handicap 3": weights.ShortlistThenTrain(handicap=3.0),
    "two rates": TwoRates(handicap=2.0),
}


def make_domain(seed: int) -> tasks.Domain:
    """Make the new task, after a study of each kind of inputs or labels."""
    domain = images.digits(Path(), _SHOTS, seed, KINDS)
    return domain._replace(priors=[_labelled(task) for task in domain.priors])


def _labelled(task: tasks.Task) -> tasks.Task:
    """Return a task with other labels, if its name says so."""
    if task.name != REVERSED:
        return task
    train, valid = (part._replace(y=part.y.max() - part.y) for part in (task.train, task.valid))
    return task._replace(train=train, valid=valid)


def measure(domain: tasks.Domain, seed: int, rules: Rules = RULES) -> Iterator[run.Row]:
    """Yield each rule's choice about a start of each earlier study, and what becomes of it."""
    with tempfile.TemporaryDirectory() as folder:
        bench = methods.Bench(domain, _sources(domain, seed, Path(folder)), seed)
        better: dict[tuple[str, int], set[str]] = {}
        known: dict[str, set[str]] = {}  # Of rules that are the same without a bound.
        for planned, (rule, strategy) in product(_PLANNED, rules.items()):
            fitting = strategy.within(planned) if planned else strategy
            key = repr(fitting and (fitting.short_training, fitting.scratch_training))
            if key not in known:
                known[key] = _better(bench, fitting) if fitting else set()
            better[rule, planned] = known[key]
        ends = [_ends(replace(bench, seed=seed + 1000 * i, runs={})) for i in range(_REPEATS)]
    for kind in ends[0]:
        gains = [float(f"{end[kind]:.5g}") for end in ends]
        for (rule, planned), chosen in better.items():
            yield "digits", seed, kind, rule, planned, int(kind in chosen), *gains


def _sources(domain: tasks.Domain, seed: int, folder: Path) -> sources.Sources:
    """Run a study of a single trial of each earlier task."""
    store, studies = weights.CheckpointStore(folder), []
    for task in domain.priors:
        study = optuna.create_study(study_name=task.name, direction="maximize")
        model = task.model.build(seed)
        batches = tasks.Batches(task.train, seed, domain.batch_size)
        for _ in tasks.train(model, domain.kind.loss, batches, domain.prior_steps, 3e-3):
            pass
        trial = study.ask()
        store.save(trial, model, value=1.0)
        study.tell(trial, 1.0)
        studies.append(study)
    models = {task.name: task.model for task in domain.priors}
    return sources.Sources(store, {sources.CLEAN: studies}, models, {}, 0.0)


def _better(bench: methods.Bench, strategy: weights.ShortlistThenTrain) -> set[str]:
    """Return the starts that a strategy would choose, were each the only one.

    All are compared with the same training of scratch, which is as each by itself, and quicker.
    """
    candidates = bench.candidates()
    task = sources.new_task(bench.domain, bench.domain.new.train, bench.seed, weights.initialize)
    each = replace(strategy, shortlist=len(candidates))
    starts = weights.rank_checkpoints(candidates, task, strategy=each, seed=bench.seed).starts
    ahead = takewhile(lambda start: start.candidate is not None, starts)
    return {start.candidate.record.study for start in ahead if start.candidate is not None}


def _ends(bench: methods.Bench) -> dict[str, float]:
    """Return how much higher each start ends than scratch."""
    longer = bench.domain._replace(checks=(*bench.domain.checks, *_LONGER))
    scratch = replace(bench, domain=longer, runs={}).train_from(None)
    runs = {c.record.study: bench.train_from(c) for c in bench.candidates()}
    return {kind: r.scores[r.chosen] - scratch.scores[scratch.chosen] for kind, r in runs.items()}


def report(rows: pd.DataFrame) -> str:
    """Return tables: of what each rule comes to, and of each kind of source."""
    gains = rows[[name for name in COLUMNS if name.startswith("gain")]]
    rows = rows.assign(end=gains.mean(axis=1), error=gains.sem(axis=1))
    noise = float(np.sqrt((rows["error"] ** 2).mean()))
    rows = rows.assign(wrong=rows["end"] < -2.0 * noise, good=rows["end"] > _GOOD)
    starts = rows.drop_duplicates(["seed", "kind"])
    seeds = ", ".join(map(str, sorted(set(starts["seed"]))))
    about = (
        f"Seeds {seeds}: {len(starts)} starts, {starts['wrong'].sum()} of them wrong and "
        f"{starts['good'].sum()} good; the standard error of a mean of {_REPEATS} trainings is "
        f"{noise:.3f}."
    )
    return "\n".join([about, "", *_of_rules(rows), "", *_of_kinds(rows, starts)])


def _of_rules(rows: pd.DataFrame) -> Iterator[str]:
    yield "| rule | steps planned | wrong chosen | good chosen | gain | against the first |"
    yield "| --- " * 6 + "|"
    first: dict[int, Any] = {}
    for (rule, planned), own in rows.groupby(["rule", "planned"], sort=False):
        chosen = own[own["chosen"] == 1]
        gain = own.assign(gain=own["end"] * own["chosen"]).groupby("seed")["gain"].mean()
        against = _mean(gain - first[planned]) if planned in first else ""
        first.setdefault(planned, gain)
        counts = f"{chosen['wrong'].sum()} | {chosen['good'].sum()}"
        yield f"| {rule} | {planned or 'no bound'} | {counts} | {_mean(gain)} | {against} |"


def _of_kinds(rows: pd.DataFrame, starts: pd.DataFrame) -> Iterator[str]:
    choices = [*rows.groupby(["rule", "planned"], sort=False)]
    heads = [f"{rule}, {planned or 'no bound'}" for (rule, planned), _ in choices]
    yield f"| source | ends | lowest | {' | '.join(heads)} |"
    yield "| --- " * (3 + len(heads)) + "|"
    for kind, own in starts.groupby("kind", sort=False):
        counts = [str(of.loc[of["kind"] == kind, "chosen"].sum()) for _, of in choices]
        ends = own["end"]
        yield f"| {kind} | {_mean(ends)} | {ends.min():+.3f} | {' | '.join(counts)} |"


def _mean(gains: "pd.Series[float]") -> str:
    error = f" ± {gains.sem():.4f}" if len(gains) > 1 else ""
    return f"{gains.mean():+.4f}{error}"

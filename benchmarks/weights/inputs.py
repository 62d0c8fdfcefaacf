"""Is a start from wrongly scaled inputs called better: ``python -m benchmarks.weights inputs``.

A new task of plain digits, 6 images of each, comes after one study of others whose inputs were
scaled in another way; ``plain`` is as the new task, to see that good starts are still chosen.
``rank_checkpoints`` has this one start to choose, first without a bound, then for at most half of
360 steps. Then the model is trained from the start and from scratch, each at the best of four
learning rates and stopped by validation images; ``ends`` is how much better its accuracy on test
images is, and ``ends where chosen`` the same for those seeds alone in which the start was chosen.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from pathlib import Path
import tempfile
from typing import NamedTuple

import numpy as np
import optuna

from benchmarks.weights import methods
from benchmarks.weights import sources
from benchmarks.weights import tasks
from benchmarks.weights.domains import images
from optuna_meta import weights


_SHOTS = 6  # Images of each class to choose by and to train on.
_PLANNED = (None, 360)  # Steps.

KINDS: dict[str, images.Condition] = {
    "plain": lambda x, rng: x,
    "times 255": lambda x, rng: 255.0 * x,
    "plus 5": lambda x, rng: x + 5.0,
    "times 10, minus 3": lambda x, rng: 10.0 * x - 3.0,
    "standardised": lambda x, rng: (x - x.mean()) / x.std(),
    "each image standardised": lambda x, rng: (
        (x - x.mean((1, 2, 3), keepdims=True)) / x.std((1, 2, 3), keepdims=True)
    ),
    "inverted": lambda x, rng: 1.0 - x,
}


class Outcome(NamedTuple):
    kind: str
    chosen: tuple[bool, ...]  # Of each of the planned steps.
    gain: float  # In the end, over scratch.


def make_domain(seed: int) -> tasks.Domain:
    """Make the new task, after a study of each kind of inputs."""
    return images.digits(Path(), _SHOTS, seed, KINDS)


def measure(
    domain: tasks.Domain, seed: int, strategy: weights.ShortlistThenTrain | None = None
) -> Iterator[Outcome]:
    """Yield what becomes of a start from each of a domain's earlier studies."""
    with tempfile.TemporaryDirectory() as folder:
        store = weights.CheckpointStore(folder)
        for task in domain.priors:
            study = optuna.create_study(study_name=task.name, direction="maximize")
            model = task.model.build(seed)
            batches = tasks.Batches(task.train, seed, domain.batch_size)
            for _ in tasks.train(model, domain.kind.loss, batches, domain.prior_steps, 3e-3):
                pass
            trial = study.ask()
            store.save(trial, model, value=1.0)
            study.tell(trial, 1.0)
            known = sources.Sources(
                store, {sources.CLEAN: [study]}, {task.name: task.model}, {}, 0.0
            )
            yield _outcome(methods.Bench(domain, known, seed, strategy=strategy), task.name)


def _outcome(bench: methods.Bench, kind: str) -> Outcome:
    new, (candidate,) = bench.domain.new, bench.candidates()
    task = sources.new_task(bench.domain, new.train, bench.seed, weights.initialize)
    rank = partial(
        weights.rank_checkpoints, [candidate], task, strategy=bench.strategy, seed=bench.seed
    )
    chosen = tuple(rank(planned_steps=planned).best is not None for planned in _PLANNED)
    runs = bench.train_from(candidate), bench.train_from(None)
    ours, scratch = (run.scores[run.chosen] for run in runs)
    return Outcome(kind, chosen, ours - scratch)


def report(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield lines of a table of outcomes over seeds."""
    heads = [f"chosen, {planned or 'no'} steps planned" for planned in _PLANNED]
    yield (
        "| inputs of the source | seeds | ends | "
        + " | ".join(f"{head} | ends where chosen" for head in heads)
        + " |"
    )
    yield "| --- " * (3 + 2 * len(heads)) + "|"
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.kind == kind]
        cells = [kind, str(len(own)), _mean([outcome.gain for outcome in own])]
        for k in range(len(_PLANNED)):
            gains = [outcome.gain for outcome in own if outcome.chosen[k]]
            cells += [str(len(gains)), _mean(gains)]
        yield f"| {' | '.join(cells)} |"


def _mean(gains: Sequence[float]) -> str:
    if not gains:
        return ""
    error = f" ± {np.std(gains, ddof=1) / len(gains) ** 0.5:.3f}" if len(gains) > 1 else ""
    return f"{np.mean(gains):+.3f}{error}, lowest {min(gains):+.3f}"

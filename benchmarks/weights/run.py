"""Where weights should start: ``python -m benchmarks.weights run --data FOLDER``.

A new task with few labels comes after some studies of earlier tasks, of each of which the best
trial's weights are kept. The same model is then trained from different starts, each at its best of
four learning rates and stopped at its best step, both by validation examples of the new task that
nothing is trained on; test examples report. A line of a table is a start:

- ``scratch``: a fresh initialisation;
- ``random prior``: the weights of a study drawn at random;
- ``best``: those with the highest score in their own study;
- ``nearest``: those of the study with the nearest meta-features;
- ``LogME``: those whose features suit the new task's labels best;
- ``default``: what ``rank_checkpoints`` chooses, which may be scratch;
- ``all tried``: each of the studies' weights trained in full, and the best by validation kept;
- ``soup``, ``greedy soup``, ``aligned soup``: means of the studies' weights, which were trained
  independently: of all, of those that validation chooses, and after weight matching, where
  the architecture allows it;
- ``joint``, ``reptile``, ``maml``: learned over the data of all earlier tasks together;
- ``ensemble``: all studies' weights trained on, and their predictions mixed by greedy selection on
  validation examples; ``scratch ensemble``: as many fresh ones. These cost that many times the
  steps.

Training on earlier tasks is not counted in the steps; the last table says what it took, and what
choosing took. ``poisoned`` sources are the same studies and four of weights of no use that claim
to be better: two trained on shuffled targets, a dead network, and weights of eightfold scale.
``all poisoned`` are the first three of these alone.

``steps`` says after what share of the steps that scratch took a start first reached the test score
that scratch ended with, the median over seeds. ``gain`` is the mean difference of final scores,
positive where better than scratch, with the standard error over seeds.
Domains without data in FOLDER are left out.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
import lzma
from pathlib import Path
import sys
import tempfile
import time
from typing import NamedTuple

import pandas as pd

from benchmarks.weights import methods
from benchmarks.weights import sources
from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.tasks import Domain
from optuna_meta import weights


Row = tuple[object, ...]

# A row is a check of a method's training: its test score after a step, and whether validation
# stopped there. The learning rate is nan for ensembles, whose members each have their own;
# choosing and before are CPU seconds on the new task before training, and on earlier tasks.
COLUMNS = (
    "domain", "size", "sources", "seed", "method", "source", "lr", "choosing", "before",
    "stopped", "step", "score",
)  # fmt: skip


class Plan(NamedTuple):
    strategy: weights.ShortlistThenTrain = weights.ShortlistThenTrain()  # Of the default.
    checks: int | None = None  # The first of each domain's; all if None.
    rates: int = 4  # The last of each domain's.
    share: float = 1.0  # Of the steps on earlier tasks.
    trials: int = 12  # Of the new task's study,
    prior_trials: int = 12  # of an earlier task's,
    steps: int = 30  # a trial of the new task's,
    prior_steps: int = 150  # and of an earlier one's,
    kept: int = 3  # of which so many checkpoints are kept.
    folder: Path = Path()  # Of all data.
    sizes: Sequence[int] | None = None  # The domain's if None.
    methods: Sequence[str] = ()
    arms: Sequence[str] = ()  # Of studies; all if there are none.


_SHORT = weights.ShortTraining(steps=2, folds=2, rates=(4e-3,))
_CHOICE = weights.ShortlistThenTrain(shortlist=1, short_training=_SHORT, share=3.0)
SMOKE = Plan(_CHOICE, 3, 2, 0.01, 2, 2, 2, 3, 1)


def make_domain(name: str, size: int, seed: int, plan: Plan) -> Domain:
    """Make a domain, with as much to compute as is wanted."""
    domain = DOMAINS[name].make(plan.folder / DOMAINS[name].needs, size, seed)
    return domain._replace(
        checks=domain.checks[: plan.checks],
        rates=domain.rates[-plan.rates :],
        prior_steps=max(1, round(plan.share * domain.prior_steps)),
        rounds=max(1, round(plan.share * domain.rounds)),
    )


def complete(
    path: Path,
    columns: Sequence[str],
    jobs: Iterable[tuple[str, int]],
    measure: Callable[[str, int], Iterable[Row]],
) -> pd.DataFrame:
    """Return a file's rows, after adding those of the jobs that it lacks, one after the other."""
    for name, seed in jobs:
        done = read(path, columns)
        if not ((done["domain"] == name) & (done["seed"] == seed)).any():
            rows = pd.DataFrame(measure(name, seed), columns=[*columns])
            rows.to_csv(path, mode="a", header=not path.exists(), index=False, na_rep="nan")
            print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
    return read(path, columns)


def renew(
    path: Path,
    jobs: Iterable[tuple[str, int]],
    measure: Callable[[str, int], Iterable[Row]],
    methods: Sequence[str],
) -> pd.DataFrame:
    """Return a file's rows, after those of some methods were measured again, job by job."""
    for name, seed in jobs:
        rows = pd.DataFrame(measure(name, seed), columns=[*COLUMNS])
        read(path, COLUMNS)  # Unpacks it.
        # As text, so that the other rows stay as they are.
        old = pd.read_csv(path, dtype=str, keep_default_na=False)
        job = (old["domain"] == name) & (old["seed"] == str(seed))
        gone = job & old["size"].isin(rows["size"].astype(str)) & old["method"].isin(methods)
        old[~gone].to_csv(path, index=False)
        rows.to_csv(path, mode="a", header=False, index=False, na_rep="nan")
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
    return read(path, COLUMNS)


def read(path: Path, *kinds: Sequence[str]) -> pd.DataFrame:
    """Return a CSV file's rows; it is unpacked if only a packed one is there; none without."""
    packed = path.with_name(f"{path.name}.xz")
    if not path.exists() and packed.exists():
        path.write_bytes(lzma.decompress(packed.read_bytes()))
    if not path.exists():
        return pd.DataFrame(columns=[*kinds[0]])
    # Names may be empty, such as that of no source, but numbers may be none.
    numbers = dict.fromkeys(("lr", "score"), ["nan"])
    rows = pd.read_csv(path, keep_default_na=False, na_values=numbers)
    if tuple(rows) not in kinds:
        raise ValueError(f"{path} is of another kind of run: pass another file, or delete it.")
    return rows


def measure(name: str, seed: int, plan: Plan) -> Iterable[Row]:
    """Yield the rows of a replicate; earlier tasks are learned once for all sizes."""
    known: sources.Sources | None = None
    entry, sizes = DOMAINS[name], plan.sizes or DOMAINS[name].sizes
    with tempfile.TemporaryDirectory() as store:
        for size in sizes:
            domain = make_domain(name, size, seed, plan)
            learned = [name for name in sources.LEARNED if name in plan.methods]
            known = known or sources.make_sources(
                domain, Path(store), seed, domain.rates[1:3], learned
            )
            bench = methods.Bench(domain, known, seed, strategy=plan.strategy)
            whole = size == sizes[0] and entry.all_methods
            for bench.kind, own in (methods.BY_SOURCES if whole else methods.OF_LARGER).items():
                for method in (name for name in plan.methods if name in own):
                    for row in _rows(bench, method):
                        yield (name, size, bench.kind, seed, method, *row)


def _rows(bench: methods.Bench, method: str) -> Iterable[Row]:
    begun = time.process_time()
    training = methods.METHODS[method](bench)
    choosing = time.process_time() - begun
    if training is not None:
        source, run = training()
        _, before = bench.earlier.learned.get(source, (None, bench.earlier.seconds))
        costs = [float(f"{x:.5g}") for x in (run.lr, choosing, before if source else 0.0)]
        for check, (step, score) in enumerate(zip(bench.domain.checks, run.scores, strict=True)):
            yield (source, *costs, int(check == run.chosen), step, float(f"{score:.5g}"))

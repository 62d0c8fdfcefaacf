"""Does a study with transferred weights pay: ``python -m benchmarks.weights study --data FOLDER``.

Studies of earlier tasks, one after the other, keep their best networks with ``CheckpointStore``
and have what a trial starts from as a parameter. Then come studies of a new task with few labels,
12 trials each, which tune the learning rate, the batch size, label smoothing and weight decay:

- ``scratch``: from a fresh initialisation, N steps a trial;
- ``scratch, 3 x steps``: the same with three times the steps;
- ``scratch, steps of choosing``: the same with the steps that choosing a source took, shared out,
  so that it takes as many steps in total as ``transferred``;
- ``scratch, first steps shared``: as many in total, but those of choosing are a training from
  scratch that all trials go on from;
- ``scratch by MetaSampler``: N steps, the earlier studies' hyperparameters known;
- ``transferred``: N steps from what ``rank_checkpoints`` chose by the images to train on, for half
  of the steps of all trials at most, going on where its short training ended, scratch's too;
- ``transferred untrained``: the same from the choice itself, whose short training is lost;
- ``transferred by LogME``: N steps from what LogME chose, which takes no training;
- ``role by TPE``, ``role by MetaSampler``: N steps, the start a parameter (``suggest_start``):
  scratch, best, nearest by meta-features, transferable (the default's choice) or average.

All but MetaSampler's are sampled by TPE, from the same seeds, so that the first trials differ in
their start alone. The incumbent has the least validation loss, of images that neither choosing nor
training sees; test images report. Training on earlier tasks is not counted.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
import tempfile
import time
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import TPESampler
import torch
from torch import nn
from torch.optim import optimizer

from benchmarks.weights import run
from benchmarks.weights import tasks
from benchmarks.weights.sources import new_task
import optuna_meta
from optuna_meta import weights
from optuna_meta.weights.selection.short_training import MADE_BY


# A row is a trial of an arm: its loss on validation and its accuracy on test images, what it
# started from, and for the arms that need it the study that the default chose (empty for
# scratch), with the CPU seconds and the steps that choosing took.
COLUMNS = (
    "domain", "size", "seed", "arm", "trial", "steps", "role", "loss", "accuracy",
    "source", "choosing_seconds", "choosing_steps",
)  # fmt: skip
AGAINST = "scratch, 3 x steps"
EQUAL = "scratch, steps of choosing"
SHARED = "scratch, first steps shared"

_WORST = 20.0  # The loss of a trial that diverged, far above that of guessing.

Weights = weights.Checkpoint | None  # None is scratch.
Start = Callable[[optuna.Trial], Weights]


# Its name, steps a trial, sampler, start, role where that is no parameter, and last columns.
Arm = tuple[str, int, Callable[[], BaseSampler], Start | None, str, run.Row]


class Lab(NamedTuple):
    """A task to tune a network for, which is the domain's new one, and what that needs."""

    domain: tasks.Domain
    store: weights.CheckpointStore
    seed: int
    plan: run.Plan

    def study(
        self, steps: int, sampler: BaseSampler, start: Start | None, name: str | None = None
    ) -> optuna.Study:
        """Run a study, of some steps a trial; an earlier one has a name and keeps checkpoints."""
        study = optuna.create_study(study_name=name, sampler=sampler)
        if name:
            optuna_meta.record_meta_features(study, self.features())
        trial = partial(self.trial, steps=steps, start=start, keep=name is not None)
        study.optimize(trial, self.plan.prior_trials if name else self.plan.trials)
        return study

    def trial(self, trial: optuna.Trial, steps: int, start: Start | None, keep: bool) -> float:
        """Return the validation loss after some steps; test accuracy is noted on the trial."""
        # All are asked for before the first can fail, so that every trial has them.
        lr = trial.suggest_float("lr", 3e-4, 3e-2, log=True)
        size = trial.suggest_categorical("batch_size", [8, 16, 32])
        smoothing = trial.suggest_float("label_smoothing", 0.0, 0.2)
        decay = trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True)
        checkpoint = start(trial) if start else None
        task, seed = self.domain.new, 1000 * self.seed + trial.number
        model = task.model.build(seed)
        if checkpoint is not None:
            # After a short training the head is the new task's own.
            own = checkpoint.metadata.extra.get("made_by") == MADE_BY
            head = () if own else self.domain.head
            report = weights.initialize(model, checkpoint, head=head, partial="skip")
            weights.record_lineage(trial, report)
        batches = tasks.Batches(task.train, seed, int(size))
        loss = partial(nn.functional.cross_entropy, label_smoothing=smoothing)
        for _ in tasks.train(model, loss, batches, steps, lr, decay):
            pass
        value, score = judged(self.domain.kind, model, task.valid)
        trial.set_user_attr("accuracy", judged(self.domain.kind, model, self.domain.test)[1])
        if keep and score > 0.0:
            self.store.save(trial, model, value=value, step=steps)
        return value

    def features(self) -> dict[str, float]:
        """Return meta-features of the images to train on."""
        x, y = self.domain.new.train
        return optuna_meta.extract_meta_features(x.numpy(), y.numpy())

    def earlier(self) -> list[optuna.Study]:
        """Run studies of the earlier tasks in an order of the seed's, each from those before."""
        done: list[optuna.Study] = []
        for i in np.random.default_rng([self.seed, 4]).permutation(len(self.domain.priors)):
            prior = self.domain.priors[i]
            own = self._replace(domain=self.domain._replace(new=prior, test=prior.valid))
            by_role = own.starts(done)[0] if done else {}
            sampler = TPESampler(seed=100 * self.seed + int(i))
            start = partial(weights.suggest_start, starts=by_role)
            name = f"{len(done)}: {prior.name.split(': ')[-1]}"
            done.append(own.study(self.plan.prior_steps, sampler, start, name))
        return done

    def starts(
        self, earlier: Sequence[optuna.Study]
    ) -> tuple[dict[str, Weights], dict[str, Weights], tuple[str, float, int]]:
        """Return what each role starts from, other choices by name, and the default's costs."""
        candidates = weights.find_checkpoints(earlier, self.store)
        start = partial(weights.initialize, head=self.domain.head, partial="skip")
        task = new_task(self.domain, self.domain.new.train, self.seed, start)

        def ranked(strategy: Any) -> weights.Ranking:
            return weights.rank_checkpoints(
                candidates,
                task,
                strategy=strategy,
                planned_steps=self.plan.trials * self.plan.steps,
                seed=self.seed,
                show_progress_bar=False,
            )

        def best(strategy: Any) -> Weights:
            found = ranked(strategy).best
            return None if found is None else found.load()

        steps: list[object] = []
        hook = optimizer.register_optimizer_step_post_hook(lambda *args: steps.append(args))
        began = time.process_time()
        ranking = ranked(self.plan.strategy)
        seconds = time.process_time() - began
        hook.remove()
        # The best of each study: candidates come in the order of their score.
        leaders = {one.record.study: one for one in reversed(candidates)}
        leading = [leaders[study.study_name].load() for study in earlier]
        by_role = {
            "best": candidates[0].load(),
            "nearest": best(weights.Nearest.by_meta_features(earlier, self.features())),
            "transferable": ranking.trained,
            "average": weights.average(leading, align_by=self.domain.new.model.build(0)),
        }
        chosen = ranking.best
        others = {
            "untrained": None if chosen is None else chosen.load(),
            "LogME": best(weights.by_logme),
        }
        source = "" if chosen is None else chosen.record.study
        return by_role, others, (source, round(seconds, 2), len(steps))

    def warmed_up(self, steps: int) -> weights.Checkpoint:
        """Train from scratch as a short training does, on all images to train on."""
        task, rates = self.domain.new, weights.ShortTraining().rates
        model = task.model.build(1000 * self.seed)
        batches = tasks.Batches(task.train, self.seed, self.domain.batch_size)
        for _ in tasks.train(model, self.domain.kind.loss, batches, steps, rates[1]):
            pass
        about = weights.Metadata(extra={"made_by": MADE_BY})
        return replace(weights.Checkpoint.from_model(model), metadata=about)

    def arms(self) -> Iterator[Arm]:
        """Yield the arms, after the earlier studies."""
        earlier = self.earlier()
        by_role, others, choice = self.starts(earlier)
        warm = self.warmed_up(choice[2])
        n, shared = self.plan.steps, -(-choice[2] // self.plan.trials)  # Of choosing, by a trial.
        tpe = partial(TPESampler, seed=self.seed)

        def meta() -> BaseSampler:
            prior = optuna_meta.fit_prior(optuna_meta.Prior.from_studies(earlier))
            return optuna_meta.MetaSampler(
                prior_studies=prior, meta_features=self.features(), seed=self.seed
            )

        role = partial(weights.suggest_start, starts=by_role)
        chosen, none = by_role["transferable"], ("", 0.0, 0)  # For arms that need no choice.
        yield "scratch", n, tpe, None, "scratch", none
        yield AGAINST, 3 * n, tpe, None, "scratch", none
        yield EQUAL, n + shared, tpe, None, "scratch", none
        yield SHARED, n, tpe, lambda _: warm, "scratch", none
        yield "scratch by MetaSampler", n, meta, None, "scratch", none
        yield "transferred", n, tpe, lambda _: chosen, "transferable", choice
        yield "transferred untrained", n, tpe, lambda _: others["untrained"], "untrained", choice
        yield "transferred by LogME", n, tpe, lambda _: others["LogME"], "LogME", none
        yield "role by TPE", n, tpe, role, "", choice
        yield "role by MetaSampler", n, meta, role, "", choice


def measure(name: str, seed: int, plan: run.Plan) -> Iterator[run.Row]:
    """Yield the rows of a replicate, one for every trial of the new task."""
    for size in plan.sizes or ():
        domain = run.make_domain(name, size, seed, plan)
        if domain.pooled.same_outputs:  # The head is of use to the new task.
            domain = domain._replace(head=())
        with tempfile.TemporaryDirectory() as kept:
            lab = Lab(domain, weights.CheckpointStore(kept, save_top_k=plan.kept), seed, plan)
            for arm, steps, sampler, start, role, choice in lab.arms():
                if plan.arms and arm not in (*plan.arms, AGAINST):
                    continue
                for trial in lab.study(steps, sampler(), start).trials:
                    reached = round(trial.values[0], 6), round(trial.user_attrs["accuracy"], 6)
                    started = trial.params.get("start", role)
                    yield (name, size, seed, arm, trial.number, steps, started, *reached, *choice)


@torch.no_grad()
def judged(kind: tasks.Kind, model: nn.Module, data: tasks.Data) -> tuple[float, float]:
    """Return loss and score; of a network that diverged the worst loss."""
    outputs = model(data.x)
    loss = float(kind.loss(outputs, data.y).nan_to_num(_WORST, _WORST))
    return min(loss, _WORST), kind.score(outputs, data.y)

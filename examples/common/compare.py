"""Prior studies, once; then the new study with them, without, and with unrelated ones."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from importlib.util import find_spec
import re

import numpy as np
import optuna
from optuna.trial import TrialState
from tqdm import tqdm

from examples.common.application import Application
from examples.common.application import Job
from examples.common.application import Options
from examples.common.application import Task
from examples.common.fingerprint import FINGERPRINT
from examples.common.fingerprint import Fingerprint
from examples.common.fingerprint import fingerprints
from examples.common.fingerprint import refuse_others
from examples.common.results import best_so_far
from examples.common.results import Run
from examples.common.results import WAYS
from examples.common.results import write_results
from optuna_meta import fit_prior
from optuna_meta import MetaPruner
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta import record_meta_features
from optuna_meta.reporting import html_report
from optuna_meta.reporting import publish_report
from optuna_meta.weights import Candidate
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import find_checkpoints
from optuna_meta.weights import rank_checkpoints
from optuna_meta.weights import ShortlistThenTrain


__all__ = ["compare"]

_SHARE = 0.2  # Of the training that is planned, what the choice of a start may cost.
_SECONDS, _TEST = "seconds", "test score"  # Attributes of a trial and of a finished study.


def compare(
    application: Application,
    new: Task,
    priors: Sequence[Task],
    unrelated: Sequence[Task],
    options: Options,
) -> None:
    """Tune a model for the new task in three ways, and write a table and a figure of that.

    Studies that are there are not run again: remove the folder to start afresh. A new study that
    was interrupted is, as its seconds would be wrong.

    Args:
        application: What is tuned.
        new: The task of the new study.
        priors: Those of the prior studies, in the order in which they were tuned.
        unrelated: Those of prior studies that have nothing to say; if empty, there are two ways.
        options: The command line.

    Raises:
        ValueError: There are no prior tasks, two have the same name, or the folder has a study
            that was made of other data, other priors or another number of trials.
    """
    if not priors:
        raise ValueError("Wanted at least one prior task to learn from, got none.")
    tasks = dict(zip(WAYS, (priors, [], unrelated), strict=True))
    if not unrelated:
        del tasks["unrelated"]
    options.folder.mkdir(parents=True, exist_ok=True)
    lab = _Lab(application, options, fingerprints(new, tasks, options))
    n_trials = options.prior_trials * (len(priors) + len(unrelated))
    n_trials += options.trials * options.seeds * len(tasks)
    runs = []
    with tqdm(total=n_trials, unit="trial", desc=application.name) as bar:
        lab.bar = bar
        earlier = {way: lab.prior_studies(own) for way, own in tasks.items()}
        for seed in range(options.seeds):
            runs += [lab.new_study(new, way, earlier[way], seed) for way in tasks]
    print(write_results(runs, application, options))


class _Lab:
    """Runs studies that all lie in one database, their checkpoints in one folder.

    Args:
        application: What is tuned.
        options: The command line.
        wanted: What each study is to be made of, by its name.
    """

    bar: tqdm[None]

    def __init__(
        self, application: Application, options: Options, wanted: Mapping[str, Fingerprint]
    ) -> None:
        self.application, self.options, self.wanted = application, options, wanted
        self.url = f"sqlite:///{(options.folder / application.name).as_posix()}.db"
        refuse_others(optuna.get_all_study_summaries(self.url), wanted, _TEST, options)
        self.store = CheckpointStore(options.folder / "checkpoints", save_top_k=3)

    def prior_studies(self, tasks: Sequence[Task]) -> list[optuna.Study]:
        """Run TPE on one task after the other; each may start from the weights of those before."""
        done: list[optuna.Study] = []
        for task in tasks:
            self.bar.set_postfix_str(task.name)
            sampler = optuna.samplers.TPESampler(seed=len(done))
            study = self._study(task.name, sampler, optuna.pruners.NopPruner())
            finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            self.bar.update(min(len(finished), self.options.prior_trials))
            if left := max(0, self.options.prior_trials - len(finished)):
                record_meta_features(study, self.application.features(task))
                starts = self._starts(task, done, seed=0)
                self._optimize(study, Job(task, self.options, self.store, starts), left)
            done.append(study)
        return done

    def new_study(self, task: Task, way: str, priors: Sequence[optuna.Study], seed: int) -> Run:
        """Tune for the new task; the clock runs while prior studies are learned from, too."""
        name = f"{task.name} | {way} | seed {seed}"
        self.bar.set_postfix_str(name)
        if study := self._finished(name):
            self.bar.update(self.options.trials)
            return self._run(study, way, seed)
        began = self.options.clock()
        if way == "without":
            pruner: optuna.pruners.BasePruner = optuna.pruners.MedianPruner()
            study = self._study(name, optuna.samplers.TPESampler(seed=seed), pruner)
            job = Job(task, self.options, self.store, pruner=pruner)
        else:
            fitted = fit_prior(Prior.from_studies(priors))
            features = self.application.features(task)
            pruner = MetaPruner(prior_studies=fitted)
            sampler = MetaSampler(
                prior_studies=fitted, meta_features=features, cost_aware=True, seed=seed
            )
            study = self._study(name, sampler, pruner)
            record_meta_features(study, features)
            starts = self._starts(task, priors, seed)
            job = Job(task, self.options, self.store, starts, pruner)
        self._optimize(study, job, self.options.trials, began)
        kept = [self.store.load(record) for record in self.store.records(study)]
        study.set_user_attr(_TEST, self.application.final(kept, job))
        self._report(study, seed)
        return self._run(study, way, seed)

    def _study(
        self, name: str, sampler: optuna.samplers.BaseSampler, pruner: optuna.pruners.BasePruner
    ) -> optuna.Study:
        study = optuna.create_study(
            storage=self.url,
            study_name=name,
            directions=self.application.directions,
            sampler=sampler,
            pruner=pruner,
            load_if_exists=True,
        )
        if not study.get_trials(deepcopy=False):
            study.set_user_attr(FINGERPRINT, self.wanted[name])
        return study

    def _finished(self, name: str) -> optuna.Study | None:
        """Return a study that ended; one that was interrupted is removed."""
        if name not in optuna.get_all_study_names(self.url):
            return None
        study = optuna.load_study(study_name=name, storage=self.url)
        if _TEST in study.user_attrs:
            return study
        self.bar.write(f"{name!r} was interrupted after {len(study.trials)} trials: run anew.")
        optuna.delete_study(study_name=name, storage=self.url)
        return None

    def _starts(
        self, task: Task, priors: Sequence[optuna.Study], seed: int
    ) -> Mapping[str, Candidate | None]:
        """Return what prior checkpoint is better than scratch on the new task, if any is."""
        if self.application.new_task is None or not priors:
            return {}
        candidates = find_checkpoints(priors, self.store)
        if not candidates:
            return {}
        target, steps = self.application.new_task(task, candidates, self.options)
        ranking = rank_checkpoints(
            candidates,
            target,
            strategy=ShortlistThenTrain(share=_SHARE),
            planned_steps=steps,
            seed=seed,
            show_progress_bar=False,
        )
        return {"transferable": ranking.best}

    def _optimize(
        self, study: optuna.Study, job: Job, n_trials: int, began: float | None = None
    ) -> None:
        start = self.options.clock() if began is None else began

        def objective(trial: optuna.Trial) -> float | Sequence[float]:
            try:
                return self.application.objective(trial, job)
            finally:
                trial.set_user_attr(_SECONDS, self.options.clock() - start)

        study.optimize(objective, n_trials, callbacks=[lambda *_: self.bar.update()])
        self.store.prune(study)

    def _run(self, study: optuna.Study, way: str, seed: int) -> Run:
        trials = study.get_trials(deepcopy=False)
        best = best_so_far(trials, self.application)
        seconds = [trial.user_attrs[_SECONDS] for trial in trials]
        test = study.user_attrs[_TEST]
        scores = test if isinstance(test, Mapping) else {_TEST: test}
        return Run(way, seed, best, np.array(seconds), scores)

    def _report(self, study: optuna.Study, seed: int) -> None:
        """Publish what the prior studies did, for optuna-dashboard and as a file."""
        if not isinstance(study.sampler, MetaSampler) or find_spec("plotly") is None:
            return
        if find_spec("optuna_dashboard") is not None:
            publish_report(study, saving=False)
        if seed == 0:
            name = re.sub(r"[^\w ,.()-]", "_", study.study_name.replace(" | ", ", "))
            path = self.options.folder / f"{name}.html"
            path.write_text(html_report(study, saving=False), encoding="utf-8")

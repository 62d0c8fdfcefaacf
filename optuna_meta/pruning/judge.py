"""Whether a running trial goes on: its chance, by the prior studies or by the target alone."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial
from scipy.special import gammainc

from optuna_meta.pruning.curve_model import CurveModel
from optuna_meta.pruning.curve_model import records_of
from optuna_meta.pruning.expectation import Expectation
from optuna_meta.pruning.logistic import chance
from optuna_meta.pruning.replay import replayed
from optuna_meta.pruning.risk import allowed_stake
from optuna_meta.pruning.risk import Records
from optuna_meta.pruning.risk import stake
from optuna_meta.pruning.standing import columns
from optuna_meta.pruning.target_curves import TargetCurves


__all__ = ["STOPPED_KEY", "Judge", "Verdict"]

STOPPED_KEY = "optuna_meta:stopped"  # User attribute of a stopped trial: why it was.
# Of the trials that would be stopped, which run on: the third, the ninth, ever fewer.
_TESTS = frozenset(3**i - 1 for i in range(1, 12))
_REFUTED = 0.1  # Probability of what the tests show, below which the chances are wrong.
_ORDERS = 6  # In which the target's own complete trials are played again.
_NO_RECORDS = Records(np.zeros(0), 0)


@dataclass(frozen=True)
class Verdict:
    """Why a trial is stopped.

    Args:
        step: At which of its reports.
        share: How much of the way was done, by the best trial's.
        is_test: Whether it runs on all the same, to show whether chances are what they seem.
        chance: That it would have ended below the best.
        n_stood: Prior trials that stood no better.
        n_improved: Those of them that ended below the best before them.
    """

    step: int
    share: float
    is_test: bool
    chance: float
    n_stood: int
    n_improved: int

    def record(self) -> dict[str, Any]:
        """Return what the trial's attribute holds."""
        return {
            "step": self.step,
            "share": round(self.share, 4),
            "test": self.is_test,
            "chance": float(f"{self.chance:.3g}"),
            "prior_trials": self.n_stood,
            "improved": self.n_improved,
        }

    @classmethod
    def of(cls, trial: FrozenTrial) -> Verdict | None:
        """Read the verdict that is recorded on a trial; ``None`` where none is."""
        record = trial.user_attrs.get(STOPPED_KEY)
        if record is None:
            return None
        names = ("step", "share", "test", "chance", "prior_trials", "improved")
        return cls(*(record[name] for name in names))

    def __str__(self) -> str:
        what = "to be stopped, but tested," if self.is_test else "stopped"
        if not self.n_stood:
            return f"{what} at step {self.step}: its chance was {self.chance:.2g}"
        return (
            f"{what} at step {self.step}: of {self.n_stood} prior trials that stood there, "
            f"{self.n_improved} ended below your best"
        )


class Judge:
    """Judges the trials of one study.

    Args:
        model: What the prior studies say.
        signs: Of each objective, 1 where the study minimises it, -1 where it maximises.
        max_loss: The share of studies whose best trial may be lost.
        expectation: What the prior studies expect of configurations.
    """

    def __init__(
        self, model: CurveModel, signs: Sequence[float], max_loss: float, expectation: Expectation
    ) -> None:
        self._models = [model, CurveModel()] if model.records else [CurveModel()]
        self._max_loss = max_loss
        self._target = TargetCurves(signs, expectation)
        self._rule: tuple[int, CurveModel, float] = -1, model, 0.0

    def verdict(
        self,
        trials: Sequence[FrozenTrial],
        trial: FrozenTrial,
        reports: Mapping[int, tuple[float, ...]],
    ) -> Verdict | None:
        """Return why a trial should be stopped now; ``None`` where it goes on.

        Args:
            trials: The study's trials.
            trial: The running one.
            reports: What it has reported, lower is better, by step.
        """
        for finished in (t for t in trials if t.state.is_finished()):
            if finished not in self._target:
                self._target.append(finished)
        stand = self._target.stand(trial, reports)
        # The running trial's own copy lacks attributes that were set through the storage.
        marked = {t.number for t in trials if STOPPED_KEY in t.user_attrs}
        if stand is None or trial.number in marked:  # One that is tested runs on.
            return None
        model, allowed = self._learned(trials)
        if stand.position < model.earliest:
            return None
        X = columns(stand.standing, np.array(stand.position))
        p = float(chance(X, model.coefficients))
        # However well prior studies can be told apart, no trial with a real chance is stopped.
        if not (p < self._max_loss and float(stake(p, len(self._target))) < allowed):
            return None
        is_test, counts = len(marked) in _TESTS, model.count(X, stand.position)
        return Verdict(stand.step, stand.position, is_test, p, *counts)

    def _learned(self, trials: Sequence[FrozenTrial]) -> tuple[CurveModel, float]:
        """Return the model to go by and how little may be at stake."""
        n = int(self._target.is_complete.sum())
        if self._rule[0] != n:
            replay = replayed(*self._target.curves(), _ORDERS)
            for model in self._models[-1:] if self._is_refuted(trials) else self._models:
                own = _NO_RECORDS
                if replay:
                    own = records_of(replay.records(of_top=False), model.coefficients)
                allowed = allowed_stake(model.records, own, self._max_loss)
                self._rule = n, model, allowed
                if allowed:
                    break
        return self._rule[1:]

    def _is_refuted(self, trials: Sequence[FrozenTrial]) -> bool:
        """Tell whether more of the tested trials improved than their chances can explain."""
        verdicts = [(t.number, v) for t in trials if (v := Verdict.of(t)) and v.is_test]
        n_improved = sum(self._target.improved(number) for number, _ in verdicts)
        expected = sum(verdict.chance for _, verdict in verdicts)
        # The chance of so many, of a Poisson number.
        return n_improved > 0 and float(gammainc(n_improved, expected)) < _REFUTED

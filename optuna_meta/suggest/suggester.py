"""One suggestion: a pool of candidates, their acquisition, local search, the best row."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import MutableMapping
from collections.abc import Sequence
import copy
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.outcomes.pareto import feasible
from optuna_meta.space.conditions import apply_conditions
from optuna_meta.space.rows import apart
from optuna_meta.space.rows import different
from optuna_meta.space.rows import fixed
from optuna_meta.space.rows import neighbours
from optuna_meta.space.rows import repeats_of
from optuna_meta.suggest.account import accounted
from optuna_meta.suggest.account import nothing_asked
from optuna_meta.suggest.acquisition import AcquisitionFunction
from optuna_meta.suggest.branches import Branch
from optuna_meta.suggest.branches import neglected_branch
from optuna_meta.suggest.branches import within
from optuna_meta.suggest.novelty import log_novelty
from optuna_meta.suggest.novelty import persistence
from optuna_meta.suggest.novelty import plateaus
from optuna_meta.suggest.pool import candidate_pool
from optuna_meta.suggest.pool import fresh_rows
from optuna_meta.suggest.pool import left_over
from optuna_meta.suggest.pool import Pool
from optuna_meta.suggest.pool import prior_pool
from optuna_meta.suggest.pool import seen
from optuna_meta.suggest.pool import SMALL
from optuna_meta.suggest.request import LEAST_TRUST
from optuna_meta.suggest.request import MOST_TRIALS
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.transfer_model import transfer_model
from optuna_meta.surrogate.transfer_model import TransferModel


__all__ = ["Suggester", "search"]

FAILURE = Outcome.constraint("optuna_meta:failure")  # At most 0 where a trial comes to a value.
_UNTRIED = 2  # Successes that are taken for granted.
_FEW = 8  # Prior studies: without one of so few the others' reliability is another.
_LOCAL = 80  # Rows of one round of local search: as many again as are worth a question.
_LOCAL_ALONE = 200  # Where the prior studies need not be asked about each of them.
_STEPS = ((0.01, 0.3), (0.01, 0.3), (0.01, 0.3), (0.002, 0.03))  # Of its rounds, in ranges.
_STARTS = 3  # Best trials from which it starts; more of them where the best are a front.


class _Asked(NamedTuple):
    """What :func:`search` needs to answer a request."""

    acquisition: AcquisitionFunction
    request: SuggestRequest
    pool: Pool
    inputs: Sequence[Inputs]


@dataclass
class Suggester:
    """Answers requests from fitted prior studies.

    Args:
        fitted: The prior studies' surrogates.
        features: The target's meta-features.
        pools: Where to keep candidates that serve a study's every trial.
        seed: Of the drawing of these candidates: whichever trial asks first, they are the same.
    """

    fitted: FittedPrior
    features: Mapping[str, float] | None = None
    pools: MutableMapping[str, Pool] = field(default_factory=dict, repr=False)
    seed: Sequence[int] = (0,)
    _models: dict[Outcome, TransferModel] = field(default_factory=dict, repr=False)
    _branches: dict[Branch, Suggester] = field(default_factory=dict, repr=False)

    def copy(self) -> Suggester:
        """Return a suggester that answers alike; what it draws anew does not reach this one."""
        models = {outcome: model.copy() for outcome, model in self._models.items()}
        return replace(self, pools=copy.copy(self.pools), _models=models, _branches={})

    def without(self, name: str) -> Suggester:
        """Return a suggester that a prior study never reached.

        Few others are asked again what they say of each other, many are not: it costs most.
        """
        other = Suggester(self.fitted.without([name]), self.features, seed=self.seed)
        for outcome, model in self._models.items():
            names = np.array(model.fitted.task_names)
            if len(names) > _FEW:
                kept = model.reliability.without(np.flatnonzero(names == name))
                other._models[outcome] = transfer_model(other.fitted, outcome, self.features, kept)
        return other

    def model(self, outcome: Outcome) -> TransferModel:
        """Return what the prior studies say of an outcome."""
        if outcome not in self._models:
            self._models[outcome] = transfer_model(self.fitted, outcome, self.features)
        return self._models[outcome]

    def suggest(self, request: SuggestRequest, rng: np.random.Generator) -> Suggestion:
        """Choose the best candidate; in a space with unseen rows, one of those."""
        if not request.space.dimensions:  # Nothing has been asked for yet that anyone knows of.
            models = [self.model(o) for o in request.outcomes if not o.is_constraint]
            trust = float(np.mean([model.trust for model in models]))
            return nothing_asked(len(request.rows), trust, len(self.fitted.study_names))
        asked = self._asked(request)
        is_alone = _trust(asked.acquisition) < LEAST_TRUST  # Else prior studies know them.
        branch = neglected_branch(request, self.fitted.space.names) if is_alone else None
        chosen = asked
        if branch is not None:
            chosen = self._of_branch(branch)._asked(within(request, branch))
        row, place = search(*chosen, rng)
        if branch is not None and seen(request)(row[None])[0]:  # There is nothing left of it.
            branch, chosen = None, asked
            row, place = search(*asked, rng)
        suggestion = self._suggestion(row, request, asked)
        if request.candidates is not None:
            return replace(suggestion, candidate=place)
        is_drawn = place < 0 and _is_drawn(row, request, chosen.pool)
        return replace(suggestion, is_drawn=is_drawn, is_of_branch=branch is not None)

    def _asked(self, request: SuggestRequest) -> _Asked:
        """Gather what a search needs to answer a request."""
        pool, reachable = self._pool(request), request.within_reach()
        acquisition, inputs = self._acquisition(reachable.thinned, pool)
        return _Asked(acquisition, reachable, pool, inputs)

    def _of_branch(self, branch: Branch) -> Suggester:
        """Return what keeps of a branch's trials what this one keeps of all."""
        if branch not in self._branches:
            self._branches[branch] = replace(self.copy(), pools=self.pools)
        return self._branches[branch]

    def _acquisition(
        self, request: SuggestRequest, pool: Pool
    ) -> tuple[AcquisitionFunction, list[Inputs]]:
        """Return the acquisition after the request's trials, and the pool's inputs for it."""
        posteriors, inputs = [], []
        for outcome, rows, values, off in _observations(request):
            model = self.model(outcome)
            posterior = model.condition(request.space, rows, values, request.pending, off)
            inputs.append(pool.inputs(model, posterior))
            if not outcome.is_constraint:
                posterior = posterior.probing_if_due(inputs[-1])
            posteriors.append(posterior)
        n_objectives = request.values.shape[1]
        valid = feasible(request.constraint_values) & request.is_inside
        return AcquisitionFunction(tuple(posteriors), n_objectives, valid, request.pending), inputs

    def _suggestion(self, row: Array, request: SuggestRequest, asked: _Asked) -> Suggestion:
        studies, seen = self.fitted.study_names, asked.request.thinned
        found = accounted(row, seen, asked.acquisition, asked.inputs, self.model, studies)
        return replace(found, n_trials=len(request.rows))

    def _pool(self, request: SuggestRequest) -> Pool:
        listed = request.candidates
        key = repr((request.space, request.conditions, request.fixed.tolist()))
        key += "" if listed is None else repr(listed.tobytes())
        if key not in self.pools:
            if listed is None:
                rng = np.random.default_rng(self.seed)
                self.pools[key] = prior_pool(self.fitted.prior, request, rng)
            else:
                self.pools[key] = candidate_pool(request, listed)
        return self.pools[key]


def search(
    acquisition: AcquisitionFunction,
    request: SuggestRequest,
    pool: Pool,
    inputs: Sequence[Inputs],
    rng: np.random.Generator,
) -> tuple[Array, int]:
    """Find the best row of the pool and, once there are trials, around its best and theirs.

    Args:
        acquisition: What to maximise.
        request: What is asked.
        pool: The candidates.
        inputs: What the model of each outcome reads of them.
        rng: Source of randomness.

    Returns:
        The row (D,), and where in the pool it is, or -1 where it is not there.
    """
    space, flat, novelty = request.space, _flat(request), _novelty(request)
    is_seen = seen(request)
    is_tried = not len(request.rows) or acquisition.is_undecided
    fresh = fresh_rows(request, pool, is_seen, flat, is_tried)
    rows = pool.rows[fresh]
    scores = acquisition.scores([i.select(fresh) for i in inputs]) + novelty(rows)
    is_local = not is_tried and space.size > SMALL and request.candidates is None
    inside = np.flatnonzero(request.is_inside)
    order = best_first(request.values[inside], request.constraint_values[inside])
    trials = request.rows[inside[order[: _STARTS * request.values.shape[1]]]]
    n_local = _LOCAL if acquisition.asks_priors else _LOCAL_ALONE
    for steps in _STEPS if is_local else ():
        starts = np.vstack([rows[np.argsort(-scores, kind="stable")[:4]], trials])
        local = fixed(neighbours(starts, n_local, space, rng, steps), request.fixed)
        local = apply_conditions(local, request.conditions)
        local = local[different(local)]  # Else the next round starts from one row four times.
        local = local[~is_seen(local)]
        local = local[apart(local, *flat, space)]
        if not len(local):
            break
        rows = np.vstack([rows, local])
        found = acquisition.scores(acquisition.inputs(local)) + novelty(local)
        scores = np.concatenate([scores, found])
    best = int(np.argmax(left_over(scores, rows, request, is_tried)))
    return rows[best], int(fresh[best]) if best < len(fresh) else -1


def _trust(acquisition: AcquisitionFunction) -> float:
    objectives = acquisition.posteriors[: acquisition.n_objectives]
    return float(np.mean([posterior.trust for posterior in objectives]))


def _is_drawn(row: Array, request: SuggestRequest, pool: Pool) -> bool:
    """Tell whether a number of a row (D,) is from a continuum and none of those known before."""
    free = np.isnan(request.fixed) & ~np.isnan(row)
    endless = np.array([not np.isfinite(d.size) for d in request.space.dimensions], dtype=bool)
    known = np.vstack([pool.rows, request.rows, request.pending])
    return bool((free & endless & ~(known == row).any(axis=0)).any())


def _observations(request: SuggestRequest) -> Iterator[tuple[Outcome, Array, Array, Array]]:
    """Yield each outcome with the trials (n, D) that report it, their values and deviations (n,).

    Where trials have failed, that none does is a constraint more. Pre-emption strikes good
    configurations as often as others, and then the values tell nothing but noise; out of memory
    strikes always in the same place. A success with the configuration of a failure overrules it.
    """
    columns = np.hstack([request.values, request.constraint_values]).T
    deviations = np.zeros(columns.shape)
    if request.deviations is not None:
        deviations[: request.values.shape[1]] = request.deviations.T
    for outcome, values, off in zip(request.outcomes, columns, deviations, strict=True):
        known = ~np.isnan(values)
        yield outcome, request.rows[known], values[known], off[known]
    if request.failed is not None and len(request.failed):
        again = repeats_of(request.rows)(request.failed)
        failed = request.failed[~again][-MOST_TRIALS:]
        # A configuration of nothing is far from all: what has not been tried is likely to work.
        nothing = np.full((_UNTRIED, request.rows.shape[1]), np.nan)
        rows = np.vstack([request.rows, nothing, failed])
        values = np.where(np.arange(len(rows)) < len(rows) - len(failed), -1.0, 1.0)
        yield FAILURE, rows, values, np.zeros(len(rows))


def _flat(request: SuggestRequest) -> tuple[Array, Array]:
    """List rows (m, D) around which a plateau is known, and how far it goes (m,).

    On a plateau, such as the nearest point of a grid makes, there is nothing to find.
    """
    known = request.thinned.of_measured()
    if _is_varied(known.values):
        return known.rows[:0], np.zeros(0)
    radii = plateaus(known.rows, known.values, request.space)
    return known.rows[radii > 0.0], radii[radii > 0.0]


def _novelty(request: SuggestRequest) -> Callable[[Array], Array]:
    """Return what to add to the scores of rows (M, D): their price, and lest one be known."""
    known, space, penalty = request.thinned.of_measured(), request.space, request.penalty
    if penalty is None or not len(request.rows):  # Then scores are no logarithms.
        penalty = lambda rows: np.zeros(len(rows))  # noqa: E731
    scale = 0.0
    if request.candidates is None and not _is_varied(known.values):
        scale = persistence(known.rows, known.values, space)
    if not scale:
        return lambda rows: -penalty(rows)
    return lambda rows: log_novelty(rows, known.rows, space, scale) - penalty(rows)


def _is_varied(values: Array) -> bool:
    """Tell whether no two trials' values (n, K) are the same."""
    return len(np.unique(values, axis=0)) == len(values)

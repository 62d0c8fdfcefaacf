"""Which prior studies serve: what a user passes, and how much each speaks for a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import optuna

from optuna_meta.sampler.explanation import Explanation
from optuna_meta.studies.prior import Prior
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = ["fitted_prior", "study_weights"]


class _Explaining(Protocol):
    def explain(self, study: optuna.Study) -> Explanation: ...


def fitted_prior(
    priors: FittedPrior | Prior | Sequence[optuna.Study] | None, device: str | None
) -> FittedPrior:
    """Return the trained surrogate of whatever a user passes as prior studies."""
    if isinstance(priors, FittedPrior):
        return priors
    if isinstance(priors, Prior):
        return fit_prior(priors, device)
    several = isinstance(priors, Sequence) and not isinstance(priors, str | bytes)
    if priors is not None and not (several and all(isinstance(s, optuna.Study) for s in priors)):
        kinds = [type(s).__name__ for s in priors] if several else type(priors).__name__
        raise ValueError(
            "prior_studies must be a sequence of studies, a Prior or a FittedPrior, "
            f"got {kinds}; read a storage with Prior.from_storage(url)."
        )
    return fit_prior(Prior.from_studies(priors or ()), device)


def study_weights(sampler: _Explaining, study: optuna.Study) -> dict[str, float]:
    """Return the weight of each prior study as the sampler has it now, by name; their sum is 1.

    Before the first trial it is that of the meta-features. Every trial moves it towards the
    studies whose values agree with the study's own, as far as the sampler trusts the prior
    studies at all; one that the new study contradicts gets nothing for that.

    Example:
        .. code-block:: python

            near = Nearest(study_weights(sampler, study))
            strategy = ShortlistThenTrain((by_logme, near, by_score))
            rank_checkpoints(candidates, new_task, strategy=strategy)

    Args:
        sampler: The ``MetaSampler`` that has the prior studies.
        study: The new study; it and the sampler stay as they are.

    Returns:
        What :class:`optuna_meta.weights.Nearest` takes; empty without prior studies. Of prior
        studies with one name, which checkpoints cannot tell apart, the first has the name itself.
    """
    explanation = sampler.explain(study)
    agreeing = {p.study: max(p.coefficient, 0.0) for p in explanation.priors}
    total = sum(agreeing.values())
    trust = explanation.trust if total > 0.0 else 0.0
    weights = {
        p.study: trust * agreeing[p.study] / (total or 1.0) + (1.0 - trust) * p.prior_weight
        for p in explanation.priors
    }
    whole = sum(weights.values()) or 1.0  # Less than 1 where an objective has no prior study.
    return {name: weight / whole for name, weight in weights.items()}

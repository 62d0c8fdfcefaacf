"""How much each prior study speaks for the new one, as a weight to choose its weights by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_meta.sampler import MetaSampler


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["study_weights"]


def study_weights(sampler: MetaSampler, study: Study) -> dict[str, float]:
    """Returns the weight of each prior study as the sampler has it now, by name; their sum is 1.

    Before the first trial it is that of the meta-features. Every trial moves it towards the
    studies whose values agree with the study's own, as far as the sampler trusts the prior
    studies at all; one that the new study contradicts gets nothing for that.

    Example:
        .. code-block:: python

            near = Nearest(study_weights(sampler, study))
            rank_checkpoints(candidates, target, strategy=Guarded((by_logme, near, by_score)))

    Args:
        sampler: Has the prior studies.
        study: The new study; it and the sampler stay as they are.

    Returns:
        What :class:`optuna_meta.weights.Nearest` takes; empty without prior studies. Of prior
        studies with one name, which checkpoints cannot tell apart, the first has the name itself.
    """
    told = sampler.explain(study)
    agreeing = {p.study: max(p.coefficient, 0.0) for p in told.priors}
    total = sum(agreeing.values())
    trust = told.trust if total > 0.0 else 0.0
    weights = {
        p.study: trust * agreeing[p.study] / (total or 1.0) + (1.0 - trust) * p.prior_weight
        for p in told.priors
    }
    whole = sum(weights.values()) or 1.0  # Less than 1 where an objective has no prior study.
    return {name: weight / whole for name, weight in weights.items()}

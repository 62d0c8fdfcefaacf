"""How much each prior study speaks for the new one, as a weight to choose its weights by."""

from __future__ import annotations

from typing import Protocol

from optuna import Study

from optuna_meta.sampler.explanation import Explanation


__all__ = ["study_weights"]


class _Explaining(Protocol):
    def explain(self, study: Study) -> Explanation: ...


def study_weights(sampler: _Explaining, study: Study) -> dict[str, float]:
    """Return the weight of each prior study as the sampler has it now, by name; their sum is 1.

    Before the first trial it is that of the meta-features and of the study's reliability. Every
    trial moves it towards the studies whose values agree with the study's own, as far as the
    sampler trusts the prior studies at all; one that the new study contradicts gets nothing for
    that.

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
    known = [p for p in explanation.priors if p.agreement is not None]
    agreeing = {p.study: 0.0 for p in explanation.priors}
    agreeing |= {p.study: max(p.share, 0.0) for p in known}
    total = sum(agreeing.values())
    trust = explanation.trust if total > 0.0 else 0.0
    weights = {
        p.study: trust * agreeing[p.study] / (total or 1.0)
        + (1.0 - trust) * (p.prior_weight or 0.0)
        for p in explanation.priors
    }
    whole = sum(weights.values()) or 1.0  # Less than 1 where an objective has no prior study.
    return {name: weight / whole for name, weight in weights.items()}

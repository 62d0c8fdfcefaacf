from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior


__all__ = ["FittedPrior", "MetaSampler", "Prior", "fit_prior"]

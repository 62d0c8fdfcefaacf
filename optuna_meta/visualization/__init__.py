"""Figures of what prior studies did for a study, in Plotly; two of them in Matplotlib too."""

from optuna_meta.visualization.calibration import plot_calibration
from optuna_meta.visualization.plotly_figure import is_available
from optuna_meta.visualization.prior_effects import plot_prior_effects
from optuna_meta.visualization.relevance import plot_relevance
from optuna_meta.visualization.study_map import plot_study_map
from optuna_meta.visualization.transfer_history import plot_transfer_history
from optuna_meta.visualization.trust import plot_trust
from optuna_meta.visualization.weights_lineage import plot_weights_lineage


__all__ = [
    "is_available",
    "plot_calibration",
    "plot_prior_effects",
    "plot_relevance",
    "plot_study_map",
    "plot_transfer_history",
    "plot_trust",
    "plot_weights_lineage",
]

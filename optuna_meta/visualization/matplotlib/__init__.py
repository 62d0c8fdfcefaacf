"""The most used figures in Matplotlib."""

from optuna_meta.visualization.matplotlib.axes import is_available
from optuna_meta.visualization.matplotlib.transfer_history import plot_transfer_history
from optuna_meta.visualization.matplotlib.trust import plot_trust


__all__ = ["is_available", "plot_transfer_history", "plot_trust"]

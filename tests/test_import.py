"""What a program pays for `from optuna_meta import MetaSampler`."""

from __future__ import annotations

import subprocess
import sys


HEAVY = ("torch", "sklearn", "pandas", "plotly", "sqlalchemy", "scipy.optimize", "scipy.stats")
SUGGESTION = """
import sys, optuna
from optuna_meta import MetaSampler
study = optuna.create_study(sampler=MetaSampler(seed=0))
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
print(*(name for name in {heavy} if name in sys.modules))
"""


def test_a_cold_suggestion_loads_nothing_heavy() -> None:
    program = SUGGESTION.format(heavy=HEAVY)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []

"""Searches of scikit-learn, or their ``cv_results_`` -> found studies.

A halving search is one of pruned trials: a candidate's scores by resources are its curve, and only
what reached the last round is complete.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_meta.space.dimension import plain
from optuna_meta.studies.sources.cells import cell
from optuna_meta.studies.sources.cells import is_scalar
from optuna_meta.studies.sources.csv_files import table
from optuna_meta.studies.sources.found import FoundStudy
from optuna_meta.studies.sources.found import FoundTrial


__all__ = ["read_searches"]

_SCORE, _PARAM = "mean_test_", "param_"
_ONLY = "search"  # What a search is called that has no name.


def read_searches(searches: Any, metric: str | None) -> list[FoundStudy]:
    """Read searches; see :meth:`optuna_meta.Prior.from_sklearn`."""
    is_named = isinstance(searches, Mapping) and "params" not in searches
    named = dict(searches) if is_named else {_ONLY: searches}
    return [_study(str(name), _results(search), metric) for name, search in named.items()]


def _results(search: Any) -> dict[str, list[Any]]:
    results = getattr(search, "cv_results_", search)
    if isinstance(results, str | Path):
        results = table(results)
    try:
        columns = {str(name): [cell(v) for v in results[name]] for name in results}
    except TypeError:
        columns = {}
    if not any(name.startswith(_SCORE) for name in columns):
        raise ValueError(
            "Wanted is a fitted search of scikit-learn, its cv_results_, or a CSV file "
            f"of them, got {type(search).__name__} without 'mean_test_...': fit the search first."
        )
    return columns


def _study(name: str, results: Mapping[str, list[Any]], metric: str | None) -> FoundStudy:
    scores = results[_score_column(results, metric)]
    configurations = _configurations(results)
    if "iter" not in results:
        trials = [_trial(p, v) for p, v in zip(configurations, scores, strict=True)]
    else:
        trials = _halved(configurations, scores, results["iter"], results["n_resources"])
    return FoundStudy(name, trials, (StudyDirection.MAXIMIZE,))


def _score_column(results: Mapping[str, Any], metric: str | None) -> str:
    known = [name.removeprefix(_SCORE) for name in results if name.startswith(_SCORE)]
    wanted = known[0] if metric is None and len(known) == 1 else metric
    if wanted not in known:
        raise ValueError(f"metric= must be one of the search's, {known}, got {metric!r}.")
    return f"{_SCORE}{wanted}"


def _configurations(results: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return the configurations; a CSV file's texts of them keep the types that columns lose."""
    found = [_spelled(params) for params in results.get("params", ())]
    if not found or None in found:
        names = [name for name in results if name.startswith(_PARAM)]
        rows = zip(*(results[name] for name in names), strict=True)
        found = [
            {n.removeprefix(_PARAM): v for n, v in zip(names, row, strict=True) if v is not None}
            for row in rows
        ]
    return [{str(n): _choice(v) for n, v in (params or {}).items()} for params in found]


def _spelled(params: Any) -> dict[str, Any] | None:
    if isinstance(params, Mapping):
        return dict(params)
    try:
        found = ast.literal_eval(str(params))
    except (ValueError, SyntaxError):
        return None
    return found if isinstance(found, dict) else None


def _choice(value: Any) -> Any:
    """Return a value that a file can hold: estimators and functions are known by their text."""
    return plain(value) if is_scalar(plain(value)) else str(value)


def _trial(params: Mapping[str, Any], score: Any) -> FoundTrial:
    return FoundTrial(params, () if score is None else (float(score),))


def _halved(
    configurations: list[dict[str, Any]], scores: list[Any], rounds: list[Any], sizes: list[Any]
) -> list[FoundTrial]:
    curves: dict[str, dict[int, float]] = {}
    reached: dict[str, Any] = {}
    params_of: dict[str, dict[str, Any]] = {}
    for params, score, number, size in zip(configurations, scores, rounds, sizes, strict=True):
        key = repr(sorted(params.items()))
        params_of[key], reached[key] = params, number
        if score is not None:
            curves.setdefault(key, {})[int(size)] = float(score)
    last = np.max(rounds)
    return [
        FoundTrial(
            params,
            (curve[max(curve)],) if reached[key] == last else (),
            TrialState.COMPLETE if reached[key] == last else TrialState.PRUNED,
            curve,
        )
        for key, params in params_of.items()
        if (curve := curves.get(key))
    ]

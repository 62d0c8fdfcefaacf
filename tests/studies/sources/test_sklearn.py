from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.model_selection import HalvingGridSearchCV
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from optuna_meta.studies.prior import Prior


X, Y = load_iris(return_X_y=True)
GRID = {"max_depth": [1, 3, None], "max_features": ["sqrt", 0.5], "min_samples_leaf": [1, 20]}
GRID_SEARCH = GridSearchCV(DecisionTreeClassifier(random_state=0), GRID, cv=3).fit(X, Y)


def configurations(prior: Prior, study: int = 0) -> list[dict[str, Any]]:
    return [prior.space.params(row) for row in prior.tasks[study].rows]


def csv_of(results: Any, path: Path) -> Path:
    pd.DataFrame(results).to_csv(path)
    return path


@pytest.mark.parametrize("kind", ["search", "results", "frame", "csv"])
def test_a_grid_search_says_what_it_found(kind: str, tmp_path: Path) -> None:
    results = GRID_SEARCH.cv_results_
    sources = {
        "search": GRID_SEARCH,
        "results": results,
        "frame": pd.DataFrame(results),
        "csv": csv_of(results, tmp_path / "grid.csv"),
    }
    prior = Prior.from_sklearn(sources[kind])
    assert prior.names == ("search",) and configurations(prior) == results["params"]
    np.testing.assert_allclose(prior.tasks[0].values, -results["mean_test_score"])


def test_searches_have_the_names_that_they_are_given() -> None:
    search = RandomizedSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": loguniform(1e-4, 1e2)},
        n_iter=12,
        random_state=0,
    )
    prior = Prior.from_sklearn(
        {"iris": search.fit(X, Y), "noise": GRID_SEARCH},
        rename={"logisticregression__C": "C"},
        meta_features={"iris": {"n": 150}},
    )
    assert prior.names == ("iris", "noise") and prior.tasks[0].meta_features == {"n": 150.0}
    C = prior.space.dimensions[prior.space.index("C")]
    assert C.log and C.low == min(search.cv_results_["param_logisticregression__C"])


def test_rounds_of_a_halving_search_are_curves_of_pruned_trials() -> None:
    grid = {"min_samples_leaf": [1, 5, 20, 60], "max_depth": [1, 4]}
    search = HalvingGridSearchCV(
        DecisionTreeClassifier(random_state=0), grid, factor=2, random_state=0, min_resources=30
    ).fit(X, Y)
    results, prior = search.cv_results_, Prior.from_sklearn(search)
    assert len(results["params"]) > len(configurations(prior)) == 8
    is_last = results["iter"] == results["iter"].max()
    last = [p for p, reached in zip(results["params"], is_last, strict=True) if reached]
    values = dict(zip(map(repr, configurations(prior)), prior.tasks[0].values, strict=True))
    finals = results["mean_test_score"][is_last]
    assert [values[repr(p)] for p in last] == pytest.approx((-finals).tolist())
    pruned = [v for text, v in values.items() if text not in map(repr, last)]
    assert min(pruned) >= min(-finals)


def test_failed_fits_are_left_out_and_objects_are_known_by_their_text() -> None:
    results = {
        "params": [{"model": DecisionTreeClassifier()}, {"model": "svc"}, {"model": "svc"}],
        "mean_test_score": np.array([0.5, 0.7, np.nan]),
    }
    prior = Prior.from_sklearn(results)
    assert [c["model"] for c in configurations(prior)] == ["DecisionTreeClassifier()", "svc"]


def test_one_of_several_scorers_must_be_named() -> None:
    scoring = ["accuracy", "f1_macro"]
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2]}, scoring=scoring, refit=False
    ).fit(X, Y)
    values = Prior.from_sklearn(search, metric="f1_macro").tasks[0].values
    np.testing.assert_allclose(values, -search.cv_results_["mean_test_f1_macro"])
    with pytest.raises(ValueError, match=r"one of the search's, \['accuracy', 'f1_macro'\], got"):
        Prior.from_sklearn(search)


@pytest.mark.parametrize("wrong", [GridSearchCV(LogisticRegression(), {}), 3, {"params": []}])
def test_what_is_no_fitted_search_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="Wanted is a fitted search .* fit the search first"):
        Prior.from_sklearn(wrong)

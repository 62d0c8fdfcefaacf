"""Runs of an MLflow server -> found studies.

Child runs are the trials of their parent, other runs those of their experiment. MLflow keeps
parameters as texts; those that spell a number, a truth value or none are that. Trials of Optuna
studies, which MLflow's own storage and Optuna's callback write, tell their ranges and directions.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import os
import re
from typing import Any

from optuna.study import StudyDirection

from optuna_meta._html import listed
from optuna_meta.studies.open_storage import require_sqlite_file
from optuna_meta.studies.outage import cause_of
from optuna_meta.studies.outage import shown
from optuna_meta.studies.sources.found import FoundStudy
from optuna_meta.studies.sources.found import require_metric
from optuna_meta.studies.sources.mlflow_runs import DIRECTION_TAGS
from optuna_meta.studies.sources.mlflow_runs import trial_of
from optuna_meta.studies.sources.mlflow_runs import value_metrics


__all__ = ["read_mlflow"]

_PARENT, _NAME, _STUDY = "mlflow.parentRunId", "mlflow.runName", "optuna.study_direction"
_PAGE = 1000


def read_mlflow(
    tracking_uri: str,
    experiments: Sequence[str] | None,
    metric: str | None,
    direction: StudyDirection | None,
) -> list[FoundStudy]:
    """Read runs; see :meth:`optuna_meta.Prior.from_mlflow`."""
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise ImportError(
            "Runs of MLflow are read by its client: pip install mlflow-skinny (or mlflow)."
        ) from error
    _require_there(tracking_uri)
    try:
        client = MlflowClient(tracking_uri=tracking_uri)
        known = {e.name: e.experiment_id for e in _pages(client.search_experiments)}
        wanted = [name for name in _wanted(experiments, known) if name in known]
        runs = {name: list(_runs(client, known[name])) for name in wanted}
    except Exception as error:  # Whatever its stores raise, which may show the address.
        raise ConnectionError(_without_secrets(tracking_uri, cause_of(error))) from None
    if unknown := [name for name in _wanted(experiments, known) if name not in known]:
        raise ValueError(f"MLflow has no experiment {unknown}; it has {sorted(known)[:10]}.")
    groups = [group for name, own in runs.items() for group in _groups(name, own)]
    if metric:  # Studies of Optuna have their own.
        asked = [run for _, tags, own in groups if _STUDY not in tags for run in own]
        require_metric(metric, {name for run in asked for name in run.data.metrics})
    studies = [_study(client, *group, metric, direction) for group in groups]
    if studies and all(study.problem for study in studies):
        _require_told(groups, metric, direction)
    return studies


def _require_told(
    groups: Sequence[tuple[str, Mapping[str, str], Sequence[Any]]],
    metric: str | None,
    direction: StudyDirection | None,
) -> None:
    """Refuse studies of which none can be read for want of what says what their values are."""
    groups = [group for group in groups if _STUDY not in group[1]]
    known = sorted({name for *_, own in groups for run in own for name in run.data.metrics})
    is_told = direction or all(_recorded_directions(tags, own) for _, tags, own in groups)
    wanted = [] if metric or "value" in known else [f"metric= (there are {known[:20]})"]
    wanted += [] if is_told else ["direction='minimize' or 'maximize'"]
    if groups and wanted:
        names = listed(dict.fromkeys(repr(name) for name, *_ in groups))
        raise ValueError(
            f"MLflow does not tell what the values of {names} are: pass {' and '.join(wanted)}."
        )


def _require_there(uri: str) -> None:
    """Refuse a missing file or folder: MLflow would make it, and find nothing there."""
    require_sqlite_file(uri)
    if "://" not in uri and not os.path.isdir(uri):
        raise ValueError(
            f"No folder at {uri!r} (seen from {os.getcwd()!r}), and no tracking URI, such as "
            "'sqlite:///mlflow.db' or 'http://localhost:5000', from which MLflow's runs are read."
        )


def _wanted(names: Sequence[str] | None, known: Iterable[str]) -> list[str]:
    return list(known) if names is None else [names] if isinstance(names, str) else list(names)


def _without_secrets(uri: str, text: str) -> str:
    secrets = re.findall(r"//([^/@]*)@", uri)
    for secret in (part for pair in secrets for part in (pair, *pair.split(":", 1)) if part):
        uri, text = uri.replace(secret, "***"), text.replace(secret, "***")
    return f"MLflow at {uri!r} cannot be read ({text}): check the address, and what it requires."


def _runs(client: Any, experiment: str) -> Iterator[Any]:
    def search(**page: Any) -> Any:
        return client.search_runs([experiment], order_by=["attributes.start_time ASC"], **page)

    return _pages(search)


def _pages(search: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _groups(
    experiment: str, runs: Iterable[Any]
) -> Iterator[tuple[str, Mapping[str, str], list[Any]]]:
    """Yield studies as name, tags and runs."""
    by_id = {run.info.run_id: run for run in runs}
    children: dict[str | None, list[Any]] = {}
    for run in by_id.values():
        parent = run.data.tags.get(_PARENT)
        children.setdefault(parent if parent in by_id else None, []).append(run)
    for parent, own in children.items():
        if parent is None:
            plain = [r for r in own if r.info.run_id not in children and _STUDY not in r.data.tags]
            if plain:
                yield experiment, {}, plain
        else:
            tags = by_id[parent].data.tags
            yield f"{experiment}/{tags.get(_NAME, parent)}", tags, own


def _study(
    client: Any,
    name: str,
    tags: Mapping[str, str],
    runs: Sequence[Any],
    metric: str | None,
    direction: StudyDirection | None,
) -> FoundStudy:
    """Read one study; a broken one costs only itself."""
    is_optuna = _STUDY in tags
    directions = _recorded_directions(tags, runs)
    if directions is None and direction is not None:
        directions = [direction]
    try:
        names = value_metrics(runs, None if is_optuna else metric, directions)
        if directions is None:
            raise ValueError(
                f"whether {shown(names[0])} is to be minimised or maximised is not recorded: pass "
                "direction="
            )
        # Curves, each of which is asked for, say what is likely of pruned trials.
        has_curves = is_optuna and any(run.info.status == "KILLED" for run in runs)
        trials = [trial_of(client, run, names, has_curves) for run in runs]
    except Exception as error:  # Tags are whatever somebody wrote.
        return FoundStudy(name, problem=f"reading it failed: {cause_of(error)}")
    once = {repr((sorted(t.params.items()), t.values, t.state)): t for t in trials if t}
    return FoundStudy(name, list(once.values()), directions)


def _recorded_directions(
    tags: Mapping[str, str], runs: Sequence[Any]
) -> list[StudyDirection] | None:
    """Return the directions that are recorded of a study or its runs, if they are and agree."""
    every = [tags, *(run.data.tags for run in runs)]
    words = {own[tag] for own in every for tag in DIRECTION_TAGS if tag in own}
    if len(words) != 1:
        return None
    names = [word.strip().removeprefix("StudyDirection.") for word in words.pop().split(",")]
    known = StudyDirection.__members__
    return [known[name] for name in names] if all(name in known for name in names) else None

"""Runs of Weights & Biases -> found studies.

Read are runs of its API, or the table of ``name``, ``config`` and ``summary`` that its manual
exports, also from CSV, where configurations are the texts of dictionaries.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
import json
from typing import Any

from optuna.study import StudyDirection

from optuna_meta.studies.outage import cause_of
from optuna_meta.studies.outage import shown
from optuna_meta.studies.sources.cells import flat
from optuna_meta.studies.sources.cells import is_scalar
from optuna_meta.studies.sources.cells import number
from optuna_meta.studies.sources.found import FoundStudy
from optuna_meta.studies.sources.found import FoundTrial
from optuna_meta.studies.sources.found import require_metric


__all__ = ["read_wandb"]

_SEPARATOR = "."  # As the workspace shows nested configurations.


@dataclass(frozen=True)
class _Run:
    owner: str
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    is_finished: bool


def read_wandb(
    runs: Any, metric: str, direction: StudyDirection, study: str | None
) -> list[FoundStudy]:
    """Read runs; see :meth:`optuna_meta.Prior.from_wandb`."""
    read = list(_rows(runs, study) if hasattr(runs, "columns") else _of_api(_asked(runs)))
    summaries = [flat(run.summary, _SEPARATOR) for run in read]
    require_metric(metric, {name for summary in summaries for name in summary})
    studies: dict[str, list[FoundTrial]] = {}
    for run, summary in zip(read, summaries, strict=True):
        trials = studies.setdefault(run.owner, [])
        value = number(summary.get(metric))
        if run.is_finished and value is not None:
            trials.append(FoundTrial(_params(run.config), (value,)))
    return [
        FoundStudy(
            name,
            trials,
            (direction,),
            problem="" if trials else f"no finished run has the metric {shown(metric)}",
        )
        for name, trials in studies.items()
    ]


def _asked(runs: Any) -> Any:
    """Ask the server for the runs of a project that is named by its path."""
    if not isinstance(runs, str):
        return getattr(runs, "runs", runs)  # A sweep has its own.
    try:
        import wandb
    except ImportError as error:
        raise ImportError("Runs are asked for by wandb: pip install wandb.") from error
    try:
        found = wandb.Api().runs(runs)
        if hasattr(found, "upgrade_to_full"):  # Else each run's configuration is a request.
            found.upgrade_to_full()
        return list(found)
    except Exception as error:
        raise ConnectionError(
            f"The runs of {runs!r} cannot be read: {cause_of(error)}. Wanted is 'entity/project'; "
            "log in with `wandb login`."
        ) from error


def _of_api(runs: Iterable[Any]) -> Iterator[_Run]:
    for run in runs:
        try:
            # The name of a sweep is its id, and costs no request.
            sweep = getattr(run, "sweep_name", None) or getattr(run.sweep, "id", None)
            owner = sweep or getattr(run, "group", None) or run.project
            summary = getattr(run.summary, "_json_dict", run.summary)
            yield _Run(str(owner), run.config, dict(summary), run.state == "finished")
        except AttributeError as error:
            raise ValueError(
                "Wanted are runs of wandb.Api(), a sweep, a table or 'entity/project', got "
                f"{type(run).__name__}: {error}."
            ) from error


def _rows(frame: Any, study: str | None) -> Iterator[_Run]:
    names = [str(name) for name in frame.columns]
    wanted = ["config", "summary", *([study] if study else [])]
    if absent := [name for name in wanted if name not in names]:
        raise ValueError(
            f"The table has no column {absent}; its columns are {names}. Of a table that the "
            "workspace exports only you know which columns are parameters: "
            "Prior.from_csv(path, value=..., direction=..., parameters=[...])."
        )
    owners = frame[study] if study else ["wandb"] * len(frame)
    states = frame["state"] if "state" in names else ["finished"] * len(frame)
    columns = owners, frame["config"], frame["summary"], states
    for owner, config, summary, state in zip(*columns, strict=True):
        yield _Run(str(owner), _dictionary(config), _dictionary(summary), state == "finished")


def _dictionary(text: Any) -> Mapping[str, Any]:
    if isinstance(text, Mapping):
        return text
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(str(text))
        except (ValueError, SyntaxError):
            continue
        if isinstance(found, dict):
            return found
    raise ValueError(
        f"config and summary must hold dictionaries, got {shown(text)}: export dict(run.config) "
        "and run.summary._json_dict."
    )


def _params(config: Mapping[str, Any]) -> dict[str, Any]:
    shown_ones = {n: v for n, v in config.items() if not str(n).startswith("_")}
    leaves = flat(shown_ones, _SEPARATOR)
    return {name: value for name, value in leaves.items() if is_scalar(value) and value == value}

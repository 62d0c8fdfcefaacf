"""Results of Ray Tune -> found studies.

A folder of results is read without Ray: each trial's folder has ``params.json`` and, a report in
each line, ``result.json``. A trial with fewer reports than the longest one was stopped early.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import json
import os
from pathlib import Path
from typing import Any
from typing import NamedTuple

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_meta.studies.outage import shown
from optuna_meta.studies.sources.cells import flat
from optuna_meta.studies.sources.cells import is_scalar
from optuna_meta.studies.sources.found import FoundStudy
from optuna_meta.studies.sources.found import FoundTrial
from optuna_meta.studies.sources.found import require_metric


__all__ = ["read_ray"]

_STEP = "training_iteration"
_SEPARATOR = "/"  # As Ray writes nested configurations.


def read_ray(results: Any, metric: str, direction: StudyDirection) -> list[FoundStudy]:
    """Read results; see :meth:`optuna_meta.Prior.from_ray`."""
    if isinstance(results, str | os.PathLike):
        studies = [(f.name, _of_folder(f, metric)) for f in _experiments(Path(results))]
    else:
        name = Path(str(getattr(results, "experiment_path", "ray"))).name
        studies = [(name, _of_grid(results, metric))]
    require_metric(metric, {name for _, runs in studies for run in runs for name in run.metrics})
    return [_study(name, runs, metric, direction) for name, runs in studies]


class _Run(NamedTuple):
    """What a trial has told.

    Args:
        config: Its configuration.
        curve: The metric by step.
        metrics: Names of all metrics that it reports.
    """

    config: Mapping[str, Any]
    curve: Mapping[int, float]
    metrics: frozenset[str]


def _of_grid(results: Any, metric: str) -> list[_Run]:
    try:
        return [_of_result(result, metric) for result in results]
    except (AttributeError, TypeError) as error:
        raise ValueError(
            "A folder of Ray Tune's results or a ResultGrid is wanted, got "
            f"{type(results).__name__}."
        ) from error


def _experiments(folder: Path) -> list[Path]:
    """Return the folders that have folders of trials in them."""
    found = sorted({path.parent.parent for path in folder.rglob("params.json")})
    if not found:
        raise ValueError(
            f"{os.fspath(folder)!r} has no params.json in any folder: name the folder that Ray "
            "Tune wrote, such as '~/ray_results/experiment' (with ~ spelled out)."
        )
    return found


def _of_folder(folder: Path, metric: str) -> list[_Run]:
    runs = [_of_trial(path.parent, metric) for path in sorted(folder.glob("*/params.json"))]
    return [run for run in runs if run]


def _of_trial(folder: Path, metric: str) -> _Run | None:
    """Read a trial; one whose files are cut or missing has ended before it said anything."""
    try:
        config = json.loads((folder / "params.json").read_text())
        lines = (folder / "result.json").read_text().splitlines()
    except (OSError, ValueError):
        return None
    return _run(config, _reports(lines), metric)


def _reports(lines: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        try:
            report = json.loads(line)
        except ValueError:
            return  # Cut while it was written.
        if isinstance(report, Mapping):
            yield report


def _of_result(result: Any, metric: str) -> _Run:
    frame = getattr(result, "metrics_dataframe", None)
    reports = [result.metrics or {}] if frame is None else frame.to_dict("records")
    return _run(result.config or {}, reports, metric)


def _run(config: Mapping[str, Any], reports: Iterable[Mapping[str, Any]], metric: str) -> _Run:
    curve: dict[int, float] = {}
    metrics: set[str] = set()
    for i, report in enumerate(reports, start=1):
        numbers = {n: v for n, v in flat(report, _SEPARATOR).items() if isinstance(v, int | float)}
        metrics |= numbers.keys()
        if metric in numbers:
            curve[int(report.get(_STEP, i))] = float(numbers[metric])
    return _Run(flat(config, _SEPARATOR), curve, frozenset(metrics))


def _study(name: str, runs: Sequence[_Run], metric: str, direction: StudyDirection) -> FoundStudy:
    longest = max((max(run.curve) for run in runs if run.curve), default=0)
    if runs and not longest:
        return FoundStudy(name, problem=f"no trial reports {shown(metric)}")
    told = [_trial(run.config, run.curve, longest) for run in runs if run.curve]
    return FoundStudy(name, told, (direction,))


def _trial(config: Mapping[str, Any], curve: Mapping[int, float], longest: int) -> FoundTrial:
    params = {name: value for name, value in config.items() if is_scalar(value)}
    if max(curve) < longest:
        return FoundTrial(params, (), TrialState.PRUNED, curve)
    return FoundTrial(params, (curve[longest],), curve=curve)

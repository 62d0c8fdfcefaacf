"""Results of Ray Tune -> found studies.

A folder of results is read without Ray: each trial's folder has ``params.json`` and, a report in
each line, ``result.json``. A trial with fewer reports than the longest one was stopped early.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import json
import os
from pathlib import Path
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_meta.studies.outage import shown
from optuna_meta.studies.sources.cells import flat
from optuna_meta.studies.sources.cells import is_scalar
from optuna_meta.studies.sources.found import FoundStudy
from optuna_meta.studies.sources.found import FoundTrial


__all__ = ["read_ray"]

_STEP = "training_iteration"
_SEPARATOR = "/"  # As Ray writes nested configurations.


def read_ray(results: Any, metric: str, direction: StudyDirection) -> list[FoundStudy]:
    """Read results; see :meth:`optuna_meta.Prior.from_ray`."""
    if isinstance(results, str | os.PathLike):
        return [_of_folder(folder, metric, direction) for folder in _experiments(Path(results))]
    name = Path(str(getattr(results, "experiment_path", "ray"))).name
    try:
        runs = [_of_result(result, metric) for result in results]
    except (AttributeError, TypeError) as error:
        raise ValueError(
            "A folder of Ray Tune's results or a ResultGrid is wanted, got "
            f"{type(results).__name__}."
        ) from error
    return [_study(name, runs, metric, direction)]


_Run = tuple[Mapping[str, Any], Mapping[int, float]]  # Its configuration and its curve.


def _experiments(folder: Path) -> list[Path]:
    """Return the folders that have folders of trials in them."""
    found = sorted({path.parent.parent for path in folder.rglob("params.json")})
    if not found:
        raise ValueError(
            f"{os.fspath(folder)!r} has no params.json in any folder: name the folder that Ray "
            "Tune wrote, such as '~/ray_results/experiment' (with ~ spelled out)."
        )
    return found


def _of_folder(folder: Path, metric: str, direction: StudyDirection) -> FoundStudy:
    runs = [_of_trial(path.parent, metric) for path in sorted(folder.glob("*/params.json"))]
    return _study(folder.name, [run for run in runs if run], metric, direction)


def _of_trial(folder: Path, metric: str) -> _Run | None:
    """Read a trial; one whose files are cut or missing has ended before it said anything."""
    try:
        config = json.loads((folder / "params.json").read_text())
        lines = (folder / "result.json").read_text().splitlines()
    except (OSError, ValueError):
        return None
    return flat(config, _SEPARATOR), _curve(_reports(lines), metric)


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
    return flat(result.config or {}, _SEPARATOR), _curve(reports, metric)


def _curve(reports: Any, metric: str) -> dict[int, float]:
    curve = {}
    for i, report in enumerate(reports, start=1):
        value = report.get(metric, flat(report, _SEPARATOR).get(metric))
        if isinstance(value, int | float):
            curve[int(report.get(_STEP, i))] = float(value)
    return curve


def _study(name: str, runs: Sequence[_Run], metric: str, direction: StudyDirection) -> FoundStudy:
    longest = max((max(curve) for _, curve in runs if curve), default=0)
    if runs and not longest:
        return FoundStudy(name, problem=f"no trial reports {shown(metric)}")
    return FoundStudy(name, [_trial(*run, longest) for run in runs if run[1]], (direction,))


def _trial(config: Mapping[str, Any], curve: Mapping[int, float], longest: int) -> FoundTrial:
    params = {name: value for name, value in config.items() if is_scalar(value)}
    if max(curve) < longest:
        return FoundTrial(params, (), TrialState.PRUNED, curve)
    return FoundTrial(params, (curve[longest],), curve=curve)

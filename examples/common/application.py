"""What an application says of itself, and what its command line asks for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
import time
from typing import Any
from typing import Literal

import optuna
from optuna.pruners import BasePruner
import torch

from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import NewTask


__all__ = ["Application", "Job", "Options", "Task", "parse"]

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Args:
        folder: Where studies, checkpoints, the table and the figure go.
        data: Where the data set lies, as its publishers pack it; what comes with packages if None.
        model: Where a pretrained model lies, for an application that asks for one.
        device: ``"cpu"`` or ``"cuda"``.
        amp: Whether models compute in bfloat16 where that is safe.
        smoke: Whether this is a tiny run, to see that it works.
        seeds: How often the new study is repeated.
        trials: Of each new study.
        prior_trials: Of each prior study.
    """

    folder: Path
    data: Path | None = None
    model: Path | None = None
    device: str = "cpu"
    amp: bool = False
    smoke: bool = False
    seeds: int = 5
    trials: int = 20
    prior_trials: int = 20

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which a model computes."""
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.amp)

    def clock(self) -> float:
        """Return seconds: of the CPU, which other programs do not change, or beside a GPU real."""
        return time.process_time() if self.device == "cpu" else time.perf_counter()


@dataclass(frozen=True)
class Task:
    """A data set that a study tunes a model for.

    Args:
        name: Of its study, too.
        data: Whatever the application's objective wants of it.
    """

    name: str
    data: Any


@dataclass(frozen=True)
class Job:
    """What an objective works with, beside the trial.

    Args:
        task: The data.
        options: The command line.
        store: Where checkpoints go.
        starts: What :func:`optuna_meta.weights.suggest_start` chooses from; empty in a study
            without transfer, and where there is nothing to start from.
        pruner: The study's, which several objectives are reported to.
    """

    task: Task
    options: Options
    store: CheckpointStore
    starts: Mapping[str, Candidate | None] = field(default_factory=dict)
    pruner: BasePruner | None = None


@dataclass(frozen=True)
class Application:
    """What the comparison has to know.

    Args:
        name: Of the folder's files.
        score: What a trial's value is, such as ``"validation accuracy"``.
        directions: Of the objectives.
        objective: Of a trial; it suggests, trains, reports, saves and returns the value.
        features: Meta-features of a task.
        final: Makes one model of a finished study's checkpoints, best first, and returns its test
            score, higher is better; or several by name, of which the first counts.
        new_task: The task to rank prior checkpoints on, and the steps that its study will train;
            ``None`` where none can be started from.
        least_gain: Of several objectives, the point that the hypervolume is measured from.
    """

    name: str
    score: str
    directions: Sequence[Direction]
    objective: Callable[[optuna.Trial, Job], float | Sequence[float]]
    features: Callable[[Task], Mapping[str, float]]
    final: Callable[[Sequence[Checkpoint], Job], float | Mapping[str, float]]
    new_task: Callable[[Task, Sequence[Candidate], Options], tuple[NewTask, int]] | None = None
    least_gain: Sequence[float] = ()


def parse(
    name: str, doc: str | None, argv: Sequence[str] | None = None, *, model: str = ""
) -> Options:
    """Read an application's command line, and let torch compute the same on every machine.

    Args:
        name: Of the application.
        doc: Its module's docstring, for ``--help``.
        argv: Arguments; those of the process if None.
        model: What ``--model`` is; there is no such option if empty.
    """
    parser = argparse.ArgumentParser(
        f"python -m examples.{name}", description=(doc or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder of the data set; see the README beside this program")
    if model:
        add("--model", type=Path, help=model)
    add("--folder", type=Path, help=f"for all that is made; demo/{name} if none")
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--amp", action="store_true", help="compute in bfloat16 where that is safe")
    add("--seeds", type=int, default=5, help="repetitions of the new study")
    add("--trials", type=int, default=20, help="of each new study")
    add("--prior-trials", type=int, default=20, help="of each prior study")
    add("--smoke", action="store_true", help="a tiny run, which shows no gain")
    given = vars(parser.parse_args(argv))
    given["folder"] = given["folder"] or Path("demo", name + "-smoke" * given["smoke"])
    if given["smoke"]:
        given |= {"seeds": 1, "trials": 3, "prior_trials": 3}
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return Options(**given)

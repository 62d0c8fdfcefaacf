"""What a study was made of, so that its results are not taken for those of something else."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set
import hashlib
from typing import Any

import numpy as np
from optuna.study import StudySummary
import torch

from examples.common.application import Options
from examples.common.application import Task


__all__ = ["FINGERPRINT", "Fingerprint", "data_fingerprint", "fingerprints", "refuse_others"]

Fingerprint = dict[str, str | int]

FINGERPRINT = "made of"  # Attribute of a study.
_MOST_SHAPES = 6  # More would only make the message longer; the hash is of all arrays.


def fingerprints(
    new: Task, earlier: Mapping[str, Sequence[Task]], options: Options
) -> dict[str, Fingerprint]:
    """Return what each study of a comparison is to be made of, by its name.

    Args:
        new: The task of the new studies.
        earlier: The tasks of prior studies, by the way that a new study uses them.
        options: The command line.

    Raises:
        ValueError: Two prior tasks have the same name.
    """
    wanted: dict[str, Fingerprint] = {}
    data = data_fingerprint(new.data)
    for way, tasks in earlier.items():
        before: Fingerprint = {}
        for task in tasks:
            if task.name in wanted:
                raise ValueError(
                    f"Wanted a name of its own for each prior task, got {task.name!r} twice: "
                    "studies are told apart by it."
                )
            own = data_fingerprint(task.data)
            wanted[task.name] = {"data": own, "trials": options.prior_trials, **before}
            before[f"prior {task.name!r}"] = f"{options.prior_trials} trials of {own}"
        for seed in range(options.seeds):
            made_of: Fingerprint = {"data": data, "trials": options.trials, **before}
            wanted[f"{new.name} | {way} | seed {seed}"] = made_of
    return wanted


def refuse_others(
    found: Sequence[StudySummary],
    wanted: Mapping[str, Fingerprint],
    finished: str,
    options: Options,
) -> None:
    """Raise an error where a study that is there was made of something else than is wanted.

    One that was made before there were fingerprints passes, but for the number of its trials.

    Args:
        found: The studies that are there.
        wanted: What each is to be made of, by its name.
        finished: The attribute that a new study has when it is finished.
        options: The command line.

    Raises:
        ValueError: It says of each such study what has changed.
    """
    lines = []
    for study in found:
        then, now = study.user_attrs.get(FINGERPRINT), wanted.get(study.study_name)
        if now is None:
            continue
        keys = [*now] if then is None else [*now, *(key for key in then if key not in now)]
        if then is None:
            keys = ["trials"] if finished in study.user_attrs else []
            then = {"trials": study.n_trials}
        lines += [
            f"  {study.study_name!r}: {key}: {then.get(key, 'none')} then, "
            f"{now.get(key, 'none')} now"
            for key in keys
            if then.get(key) != now.get(key)
        ]
    if lines:
        raise ValueError(
            f"Wanted studies of this data, these priors and trials in {options.folder}, got:\n"
            + "\n".join(lines)
            + "\nPass another --folder, or delete this one to run everything anew."
        )


def data_fingerprint(data: Any) -> str:
    """Return the shapes of the first arrays in some data, and a hash of all that it holds.

    Fields whose names begin with an underscore do not count, as they may hold what is computed on
    the way; of objects that have no fields, only the type counts.
    """
    shapes: list[str] = []
    digest = hashlib.sha256()
    for part in _parts(data, set()):
        if isinstance(part, np.ndarray):
            shapes.append(str(part.shape))
            digest.update(f"{part.dtype.str} {part.shape} ".encode() + part.tobytes())
        else:
            digest.update(f"{part};".encode())
    told = ", ".join(shapes[:_MOST_SHAPES]) + (", ..." if len(shapes) > _MOST_SHAPES else "")
    return f"{told} #{digest.hexdigest()[:12]}".strip()


def _parts(data: Any, above: set[int]) -> Iterator[np.ndarray | str]:
    """Yield the arrays and the words of some data, in its order; ``above`` is what it lies in."""
    if isinstance(data, torch.Tensor):
        data = data.detach().cpu().numpy()
    if isinstance(data, np.ndarray) and data.dtype != object:
        yield data
    elif data is None or isinstance(data, str | bytes | int | float | complex | np.generic):
        yield repr(data)
    elif id(data) not in above:
        yield type(data).__qualname__
        for part in _held(data):
            yield from _parts(part, above | {id(data)})


def _held(data: Any) -> Sequence[Any]:
    """Return what lies directly in an object."""
    if hasattr(data, "to_numpy"):  # A table or a column of pandas
        return [*map(str, getattr(data, "columns", [])), data.to_numpy()]
    if isinstance(data, np.ndarray):
        return [data.shape, data.tolist()]
    if isinstance(data, Set):
        return sorted(map(repr, data))
    if isinstance(data, list | tuple):
        return data
    fields = data if isinstance(data, Mapping) else getattr(data, "__dict__", {})
    return [part for pair in fields.items() if not str(pair[0]).startswith("_") for part in pair]

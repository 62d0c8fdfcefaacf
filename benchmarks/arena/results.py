"""The file of results, a row for each trial of each job; beside it how it was made.

``NAME.origin.json`` has commands and settings, ``NAME.skipped.csv`` the jobs that their methods
cannot serve. A run goes on from ``NAME.csv.xz``, too, which ``--merge`` packs.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import io
import json
import lzma
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import Self

import pandas as pd


_PACKED = ".xz"
_DIGITS = {"value": 6, "regret_so_far": 5}  # of each number of a row where a file is packed
_DIGITS |= {"cpu_seconds_of_suggestion": 2, "cpu_seconds_of_setup": 3}
_SAME = ("prior_trials", "max_priors")  # settings that must agree in a merge; versions are noted


class Job(NamedTuple):
    suite: str
    family: str
    task: str
    seed: int
    regime: str
    method: str


class Row(NamedTuple):
    trial: int  # from 1, in the order in which trials finish
    value: float  # of the first objective, without noise; nan of a pruned trial
    regret_so_far: float
    cpu_seconds_of_suggestion: float
    cpu_seconds_of_setup: float  # of the whole job, the same in each of its rows
    cost: float = 1.0  # epochs where trials can be pruned


JOB = list(Job._fields)
COLUMNS = [*JOB, *Row._fields]


class Budget(NamedTuple):
    trials: int
    exceptions: Mapping[str, int]

    def of(self, suite: str) -> int:
        return self.exceptions.get(suite, self.trials)

    @classmethod
    def parse(cls, text: str) -> Self:
        first, *others = text.split(",")
        pairs = [other.split("=") for other in others]
        return cls(int(first), {suite: int(trials) for suite, trials in pairs})

    def __str__(self) -> str:
        exceptions = [f"{suite}={trials}" for suite, trials in self.exceptions.items()]
        return ",".join([str(self.trials), *exceptions])


def append_rows(path: Path, job: Job, rows: Sequence[Row]) -> None:
    _append(path, pd.DataFrame([(*job, *row) for row in rows], columns=COLUMNS))


def append_skip(path: Path, job: Job, reason: str) -> None:
    skips = beside(path, ".skipped.csv")
    _append(skips, pd.DataFrame([(*job, reason)], columns=[*JOB, "reason"]))


def read_skips(path: Path) -> pd.DataFrame:
    skips = beside(path, ".skipped.csv")
    if not skips.exists():
        return pd.DataFrame(columns=[*JOB, "reason"])
    return pd.read_csv(skips, dtype=str, keep_default_na=False)


def finished_jobs(path: Path, trials: Budget) -> set[Job]:
    """Return the jobs complete in the file and those skipped; remove those that were cut short."""
    packed = path.with_name(path.name + _PACKED)
    source = path if path.exists() or not packed.exists() else packed
    done = jobs_in(read_skips(path))
    if source.exists():
        rows = read_rows(source)
        sizes = rows.groupby(JOB)["trial"].transform("size")
        rows = rows[sizes >= rows["suite"].map(trials.of)]
        write_rows(path, rows)
        done |= jobs_in(rows)
    return done


def jobs_in(rows: pd.DataFrame) -> set[Job]:
    jobs = rows[JOB].drop_duplicates().itertuples(index=False, name=None)
    return {Job(*job)._replace(seed=int(job[3])) for job in jobs}


def read_rows(path: Path) -> pd.DataFrame:
    """Read the complete lines of a file, packed or not, as texts."""
    data = path.read_bytes()
    text = (lzma.decompress(data) if path.suffix == _PACKED else data).decode()
    complete = text[: text.rfind("\n") + 1]  # the last line may have been cut short
    rows = pd.read_csv(io.StringIO(complete), dtype=str, keep_default_na=False)
    if list(rows) != COLUMNS:
        wanted, got = ", ".join(COLUMNS), ", ".join(rows)
        raise ValueError(f"Expected columns {wanted} in {path.name}; got {got}.")
    return rows


def write_rows(path: Path, rows: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name("partial-" + path.name)
    rows.to_csv(partial, index=False, lineterminator="\n")
    partial.replace(path)


def record_origin(path: Path, command: str, settings: Mapping[str, Any]) -> None:
    """Note beside the file which command added to it; its settings must be those of its rows."""
    has_rows = path.exists() or path.with_name(path.name + _PACKED).exists()
    origin = read_origin(path) if has_rows else {}
    noted = origin.get("settings", {})
    for key, value in settings.items():
        if str(noted.get(key, value)) != str(value):
            raise ValueError(
                f"The rows in {path.name} were made with {key} {noted[key]}, not {value}: "
                "choose another --output, or delete the file."
            )
    commands = list(dict.fromkeys([*origin.get("commands", []), command]))
    _write_origin(path, {**origin, "commands": commands, "settings": dict(settings)})


def read_origin(path: Path) -> dict[str, Any]:
    """Read the commands and settings behind a file of results; empty where none were noted."""
    origin = beside(path, ".origin.json")
    record: dict[str, Any] = json.loads(origin.read_text()) if origin.exists() else {}
    return record


def beside(path: Path, suffix: str) -> Path:
    """Return the path next to a file of results, packed or not, with another suffix."""
    unpacked = path.with_suffix("") if path.suffix == _PACKED else path
    return unpacked.with_name(unpacked.stem + suffix)


def merge(output: Path, files: Sequence[Path], trials: Budget) -> tuple[int, int]:
    """Write the complete jobs of all files, of each the last; count them and those too short."""
    origin = _merged_origin(files, trials)
    rows = pd.concat([read_rows(path).assign(file=i) for i, path in enumerate(files)])
    rows = rows[rows["file"] == rows.groupby(JOB)["file"].transform("max")][COLUMNS]
    wanted = rows["suite"].map(trials.of)
    jobs = rows.groupby(JOB)["trial"]
    kept = rows[(jobs.transform("size") >= wanted) & (jobs.cumcount() < wanted)]
    kept = kept.assign(seed=kept["seed"].astype(int)).sort_values(JOB, kind="stable")
    write_rows(output, _rounded(kept) if output.suffix == _PACKED else kept)
    _write_origin(output, origin)
    skips = pd.concat([read_skips(path) for path in files]).drop_duplicates(JOB, keep="last")
    written = jobs_in(kept)
    for job, reason in zip(skips[JOB].itertuples(index=False), skips["reason"], strict=True):
        if Job(*job)._replace(seed=int(job.seed)) not in written:
            append_skip(output, Job(*job), reason)
    return len(written), len(jobs_in(rows)) - len(written)


def _merged_origin(files: Sequence[Path], trials: Budget) -> dict[str, Any]:
    first, *_ = origins = [read_origin(path) for path in files]
    settings = {**first.get("settings", {}), "trials": str(trials)}
    commands, notes = [], []
    for path, origin in zip(files, origins, strict=True):
        commands += origin.get("commands", ())
        for key, value in origin.get("settings", {}).items():
            wanted = settings.get(key, value)
            if key in _SAME and value != wanted:
                raise ValueError(
                    f"The rows in {path.name} were made with {key} {value}, not {wanted} as those "
                    "before it: merge files of the same settings only."
                )
            if key != "trials" and value != wanted:
                notes.append(f"{path.name}: {key} {value}")
        notes += origin.get("notes", ())
    record = {"commands": list(dict.fromkeys(commands)), "settings": settings}
    return record | ({"notes": list(dict.fromkeys(notes))} if notes else {})


def _rounded(rows: pd.DataFrame) -> pd.DataFrame:
    same = [*JOB, "regret_so_far"]
    is_same = (rows[same] == rows[same].shift()).all(axis=1)
    rows = rows.assign(value=rows["value"].mask(is_same, ""))
    for column, digits in _DIGITS.items():
        shape = f"{{:.{digits}g}}".format
        rows[column] = [shape(float(text)) if text else "" for text in rows[column]]
    return rows


def _append(path: Path, rows: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"index": False, "lineterminator": "\n", "float_format": "%.10g", "na_rep": "nan"}
    rows.to_csv(path, mode="a", header=not path.exists(), **options)


def _write_origin(path: Path, origin: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside(path, ".origin.json").write_text(json.dumps(origin, indent=2) + "\n")

"""Time reading a storage of studies with published reports, beside the same without.

A report's note and figures are attributes of its study, which all who read the study load. One
study is run and published; its attributes are copied to all others. CPU seconds, in turn.
"""

import argparse
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
import shutil
import sqlite3
import statistics
import tempfile
from typing import Any

import optuna

from benchmarks import commands
from benchmarks.cost.fit_prior import write_studies
from benchmarks.report.markdown import table


_PRIOR_STUDIES, _PRIOR_TRIALS = 5, 30
_ALLOWED = 1.5
_COPY = (
    "INSERT INTO study_system_attributes (study_id, key, value_json)"
    " SELECT studies.study_id, key, value_json FROM studies, report.study_system_attributes"
    " WHERE report.study_system_attributes.study_id = ?"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=30, help="of each study")
    parser.add_argument("--repeats", type=int, default=3)


def main(args: argparse.Namespace) -> None:
    job = (args.studies, args.trials, args.repeats)
    ((_, (lines, size)),) = commands.run_or_raise(measure, [job], 1)
    print(f"CPU seconds, {args.studies:,} SQLite studies of {args.trials} trials, each with a")
    print(f"report of {size / 1000:.1f} kB (allowed: {_ALLOWED} times)\n")
    print(table(["reading", "without", "published", "ratio"], lines))


def measure(job: tuple[int, int, int]) -> tuple[list[list[str]], int]:
    """Return a line for each way to read, and the bytes of a study's report."""
    from optuna_meta import Prior

    commands.be_quiet()
    n_studies, n_trials, repeats = job
    with tempfile.TemporaryDirectory() as folder:
        plain, published = Path(folder, "plain.db"), Path(folder, "published.db")
        write_studies(plain, n_studies, n_trials)
        shutil.copy(plain, published)
        size = _publish(Path(folder, "report.db"), published, n_trials)
        urls = [f"sqlite:///{path}" for path in (plain, published)]
        Prior.from_storage(urls[0], ["bowl-0"])  # imports, first calls
        ways: dict[str, Callable[[str], Any]] = {
            "Prior.from_storage": Prior.from_storage,
            "optuna.get_all_study_summaries": optuna.get_all_study_summaries,
        }
        lines = []
        for name, read in ways.items():
            seconds: list[list[float]] = [[], []]
            for _ in range(repeats):
                for k, url in enumerate(urls):
                    seconds[k].append(commands.timed(lambda: read(url))[1].cpu)  # noqa: B023
            without, with_reports = (statistics.median(s) for s in seconds)
            ratio = f"{with_reports / without:.2f}"
            lines.append([name, f"{without:.2f}", f"{with_reports:.2f}", ratio])
    return lines, size


def _publish(report: Path, published: Path, n_trials: int) -> int:
    """Run and publish a study, copy its report to all studies of a file, and return its bytes."""
    from optuna_meta import MetaSampler
    from optuna_meta import Prior
    from optuna_meta.reporting import publish_report

    write_studies(report, _PRIOR_STUDIES, _PRIOR_TRIALS)
    url = f"sqlite:///{report}"
    prior = Prior.from_storage(url)
    distributions = prior.space.dimensions
    study = optuna.create_study(storage=url, sampler=MetaSampler(prior_studies=prior, seed=0))
    for _ in range(n_trials):
        trial = study.ask({d.name: d.distribution() for d in distributions})
        study.tell(trial, sum(v for v in trial.params.values() if isinstance(v, float)))
    publish_report(study)
    with closing(sqlite3.connect(published)) as connection, connection:
        connection.execute("ATTACH ? AS report", (str(report),))
        connection.execute(_COPY, (study._study_id,))
        total = "SELECT SUM(LENGTH(value_json)) FROM report.study_system_attributes"
        (size,) = connection.execute(total).fetchone()
    return int(size)

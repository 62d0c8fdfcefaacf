"""Where weights should start: ``python -m benchmarks.weights COMMAND``; each has a ``--help``.

``run`` and ``study`` print tables. With ``--out FILE`` their rows go to a CSV file, from which
they go on, with the tables and the figure of ``run`` beside it; ``report`` makes these again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import torch

from benchmarks.weights import harness
from benchmarks.weights import peers
from benchmarks.weights import run
from benchmarks.weights import study
from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.methods import METHODS
from benchmarks.weights.report import draw
from benchmarks.weights.report import report


__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, and print the tables."""
    raw: Any = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.weights", None, __doc__)
    add = partial(parser.add_subparsers(required=True).add_parser, formatter_class=raw)
    one = add("run", help="one training from each start", description=run.__doc__)
    one.add_argument("--methods", nargs="+", choices=[*METHODS], default=[*METHODS])
    _add_replicates(one, [*DOMAINS], 5, None)
    one.set_defaults(function=_run)
    whole = add("study", help="whole Optuna studies", description=study.__doc__)
    _add_replicates(whole, ["digits", "fashion"], 10, [10])
    whole.set_defaults(function=_study)
    others = add("peers", help="loading rules of others", description=peers.__doc__)
    others.add_argument("--splits", type=int, default=10, help="of the predictions")
    others.set_defaults(function=lambda args: print("\n".join(peers.report(args.splits))))
    again = add("report", help="tables and figure of a file", description=__doc__)
    again.add_argument("out", type=Path, help="what run or study wrote; OUT.xz serves as well")
    again.set_defaults(function=lambda args: harness.read(args.out, run.COLUMNS, study.COLUMNS))
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = args.function(args)
    if rows is not None:
        _show(rows, args.out)


def _add_replicates(
    parser: argparse.ArgumentParser, domains: list[str], n_seeds: int, sizes: list[int] | None
) -> None:
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--domains", nargs="+", choices=domains, default=domains)
    parser.add_argument("--sizes", nargs="+", type=int, default=sizes, help="examples of a task")
    seeds = "how many, or the first and the end"
    parser.add_argument("--seeds", nargs="+", type=int, default=[n_seeds], help=seeds)
    parser.add_argument("--out", type=Path, help="a CSV file, from which a run goes on")
    parser.add_argument("--smoke", action="store_true", help="the smallest run")


def _run(args: argparse.Namespace) -> pd.DataFrame:
    measure = partial(run.measure, folder=args.data, sizes=args.sizes, methods=args.methods)
    return _completed(args, run.COLUMNS, measure)


def _study(args: argparse.Namespace) -> pd.DataFrame:
    measure = partial(study.measure, folder=args.data, sizes=args.sizes)
    return _completed(args, study.COLUMNS, measure)


def _completed(args: argparse.Namespace, columns: tuple[str, ...], measure: Any) -> pd.DataFrame:
    effort = harness.SMOKE if args.smoke else harness.Effort()
    return harness.complete(args.out, columns, _jobs(args), partial(measure, effort=effort))


def _jobs(args: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Yield replicates that there are data for, seed by seed."""
    needs = {name: DOMAINS[name].needs for name in args.domains}
    there = [n for n in needs if not needs[n] or args.data and (args.data / needs[n]).is_dir()]
    yield from ((name, seed) for seed in range(*args.seeds) for name in there)


def _show(rows: pd.DataFrame, path: Path | None) -> None:
    """Print the tables; with a file, write them beside it, and draw the figure of starts."""
    if rows.empty:
        raise SystemExit("There are no rows: pass a file that has some, or data of a domain.")
    tables = report(rows)
    print(tables)
    if path is not None:
        path.with_suffix(".md").write_text(f"{tables}\n")
        if "method" in rows:
            draw(rows, path.with_suffix(".png"))


if __name__ == "__main__":
    main()

"""Where weights should start: ``python -m benchmarks.weights COMMAND``; each has a ``--help``.

``run`` and ``study`` print tables. With ``--out FILE`` their rows go to a CSV file, from which
they go on, with the tables and the figure of ``run`` beside it; ``report`` makes these again.
"""

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from pathlib import Path
import tempfile
from typing import Any

import optuna
import pandas as pd
import torch

from benchmarks.weights import inputs
from benchmarks.weights import peers
from benchmarks.weights import report
from benchmarks.weights import run
from benchmarks.weights import study
from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.methods import METHODS
from optuna_meta.weights import ShortlistThenTrain


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, and print the tables."""
    raw: Any = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.weights", None, __doc__)
    add = partial(parser.add_subparsers(required=True).add_parser, formatter_class=raw)
    one = add("run", help="one training from each start", description=run.__doc__)
    whole = add("study", help="whole Optuna studies", description=study.__doc__)
    for of_each, module, domains, n_seeds, sizes in (
        (one, run, [*DOMAINS], 5, None),
        (whole, study, ["digits", "fashion", "disjoint"], 10, [10]),
    ):
        option = of_each.add_argument
        option("--data", type=Path, help="folder of the data sets; by default this one")
        option("--domains", nargs="+", choices=domains, default=domains)
        option("--sizes", nargs="+", type=int, default=sizes, help="examples to train on")
        seeds = "how many, or the first and the end"
        option("--seeds", nargs="+", type=int, default=[n_seeds], help=seeds)
        option("--out", type=Path, help="a CSV file, from which a run goes on")
        option("--smoke", action="store_true", help="the smallest run")
        of_each.set_defaults(
            function=_complete, module=module, methods=(), arms=(), prior_trials=12, again=False
        )
    one.add_argument("--methods", nargs="+", choices=[*METHODS], default=[*METHODS])
    again = "measure these methods again, and keep the file's other rows"
    one.add_argument("--again", action="store_true", help=again)
    whole.add_argument("--arms", nargs="+", default=[], help="such as scratch; all by default")
    whole.add_argument("--prior-trials", type=int, default=12, help="of an earlier task's study")
    others = add("peers", help="loading rules of others", description=peers.__doc__)
    others.add_argument("--splits", type=int, default=10, help="of the predictions")
    others.set_defaults(function=lambda args: print("\n".join(peers.report(args.splits))))
    scaled = add("inputs", help="starts from other inputs' scales", description=inputs.__doc__)
    scaled.add_argument("--seeds", nargs=2, type=int, default=[0, 8], help="the first and the end")
    scaled.add_argument("--handicaps", nargs="+", type=float, help="instead of the rules below")
    scaled.add_argument("--out", type=Path, help="a CSV file, from which a run goes on")
    scaled.set_defaults(function=_of_inputs)
    kinds = run.COLUMNS, study.COLUMNS
    shown = add("report", help="tables and figure of a file", description=__doc__)
    shown.add_argument("out", type=Path, help="what run or study wrote; OUT.xz serves as well")
    shown.set_defaults(function=lambda args: _show(run.read(args.out, *kinds), args.out))
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    args.function(args)


def _complete(args: argparse.Namespace) -> None:
    """Add the rows of all replicates that there are data for, seed by seed, and show them all."""
    plan = run.SMOKE if args.smoke else run.Plan(prior_trials=args.prior_trials)
    own = {"sizes": args.sizes, "methods": args.methods, "arms": args.arms}
    plan = plan._replace(folder=args.data or Path(), **own)
    there = [name for name in args.domains if (plan.folder / DOMAINS[name].needs).is_dir()]
    jobs = [(name, seed) for seed in range(*args.seeds) for name in there]
    measure = partial(args.module.measure, plan=plan)
    if args.again:
        if args.out is None:
            raise SystemExit("Pass --out FILE, whose rows are to be measured again.")
        _show(run.renew(args.out, jobs, measure, args.methods), args.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = args.out or Path(folder) / "rows.csv"
        _show(run.complete(path, args.module.COLUMNS, jobs, measure), args.out)


def _of_inputs(args: argparse.Namespace) -> None:
    """Add the choices for all seeds, and print the tables."""
    rules: inputs.Rules = inputs.RULES
    if args.handicaps:
        rules = {f"handicap {h:g}": ShortlistThenTrain(handicap=h) for h in args.handicaps}

    def measure(_: str, seed: int) -> Iterator[run.Row]:
        return inputs.measure(inputs.make_domain(seed), seed, rules)

    jobs = [("digits", seed) for seed in range(*args.seeds)]
    with tempfile.TemporaryDirectory() as folder:
        path = args.out or Path(folder) / "rows.csv"
        print(inputs.report(run.complete(path, inputs.COLUMNS, jobs, measure)))


def _show(rows: pd.DataFrame, path: Path | None) -> None:
    """Print the tables; with a file, write them beside it, and draw the figure of starts."""
    if rows.empty:
        raise SystemExit("There are no rows: pass a file that has some, or data of a domain.")
    tables = report.report(rows)
    print(tables)
    if path is not None:
        path.with_suffix(".md").write_text(f"{tables}\n")
        if "method" in rows:
            report.draw(rows, path.with_suffix(".png"))


if __name__ == "__main__":
    main()

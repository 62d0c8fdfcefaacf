"""Show the meta-features of real images, texts and interactions, and how long each group takes."""

import argparse
from collections.abc import Mapping
from functools import partial
import math
from pathlib import Path
from typing import Any
from typing import NamedTuple

from benchmarks.commands import timed
from benchmarks.report.markdown import table
from benchmarks.tasks.drawn import RAW_DATA
from optuna_meta.features.image.image import image_meta_features
from optuna_meta.features.interactions.interactions import interaction_meta_features
from optuna_meta.features.text.pairs import pair_meta_features
from optuna_meta.features.text.text import text_meta_features


GROUPS: Mapping[str, tuple[Any, str]] = {
    "image": (image_meta_features, "simple statistical spectral intrinsic landmarking"),
    "text": (text_meta_features, "simple length vocabulary landmarking"),
    "pair": (pair_meta_features, "simple length vocabulary alignment"),
    "interaction": (interaction_meta_features, "simple popularity ratings times landmarking"),
}
_UNLABELLED = ("pair", "interaction")


class Described(NamedTuple):
    features: Mapping[str, float]
    first: float  # seconds of the first call, with imports that no earlier data set needed
    again: float  # seconds of the second call
    seconds: Mapping[str, float]  # of each group alone, with the reading of the sample


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of fashion_mnist/ etc.")


def main(args: argparse.Namespace) -> None:
    found: dict[str, dict[str, Described]] = {kind: {} for kind in GROUPS}
    lines = []
    for name, raw in RAW_DATA.items():
        if not (args.data / raw.path).exists():
            print(f"{name} is left out: there is no {raw.path} in {args.data}.\n")
            continue
        found[raw.kind][name] = d = describe(raw.kind, *raw.read(args.data))
        seconds = ", ".join(f"{group} {s:.2f}" for group, s in d.seconds.items())
        size = f"{d.features[f'{raw.kind}.nr_inst']:,.0f}"
        lines.append([name, size, f"{d.first:.2f}", f"{d.again:.2f}", seconds])
    print(table(["data set", "instances", "s, first", "s, again", "s of each group"], lines))
    for described in filter(None, found.values()):
        columns = [d.features for d in described.values()]
        lines = [[name, *(_show(column[name]) for column in columns)] for name in columns[0]]
        print("\n" + table(["meta-feature", *described], lines))


def describe(kind: str, data: Any, labels: Any) -> Described:
    function, groups = GROUPS[kind]
    extract = partial(function, data, *(() if kind in _UNLABELLED else (labels,)))
    features, first = timed(extract)
    _, again = timed(extract)
    seconds = {group: timed(partial(extract, groups=[group]))[1].wall for group in groups.split()}
    return Described(features, first.wall, again.wall, seconds)


def _show(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"

"""Meta-features of real images, texts and interactions: ``python -m benchmarks.features.kinds``.

Prints the meta-features of each data set that is found, and how long each group of them takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
import math
from pathlib import Path
import time
from typing import Any
from typing import NamedTuple

import numpy as np

from benchmarks.report.markdown import table
from benchmarks.tasks.raw_data import RAW_DATA
from optuna_meta.features import Interactions
from optuna_meta.features.image.image import image_meta_features
from optuna_meta.features.interactions.interactions import interaction_meta_features
from optuna_meta.features.text.pairs import pair_meta_features
from optuna_meta.features.text.text import text_meta_features


__all__ = ["Described", "describe", "main"]

_EXTRACTORS: Mapping[str, Callable[..., dict[str, float]]] = {
    "image": image_meta_features,
    "text": text_meta_features,
    "pair": pair_meta_features,
    "interaction": interaction_meta_features,
}
_GROUPS = {
    "image": ("simple", "statistical", "spectral", "intrinsic", "landmarking"),
    "text": ("simple", "length", "vocabulary", "landmarking"),
    "pair": ("simple", "length", "vocabulary", "alignment"),
    "interaction": ("simple", "popularity", "ratings", "times", "landmarking"),
}
_UNLABELLED = ("pair", "interaction")


class Described(NamedTuple):
    """What was found of a data set."""

    features: Mapping[str, float]
    first: float  # seconds of the first call, with imports that no earlier data set needed
    again: float  # seconds of the second call
    seconds: Mapping[str, float]  # of each group alone, with the reading of the sample


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table of seconds for all data sets, and one of features for each kind."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.features.kinds", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of fashion_mnist/ etc.")
    parser.add_argument("--random-interactions", type=int, help="so many are described, too")
    args = parser.parse_args(argv)
    found: dict[str, dict[str, Described]] = {kind: {} for kind in _EXTRACTORS}
    for name, raw in RAW_DATA.items():
        if not (args.data / raw.path).exists():
            print(f"{name} is left out: there is no {raw.path} in {args.data}.\n")
            continue
        found[raw.kind][name] = describe(raw.kind, *raw.read(args.data / raw.path))
    if args.random_interactions:
        data = _random_interactions(args.random_interactions)
        found["interaction"]["random interactions"] = describe("interaction", data, None)
    print(_timings(found))
    for described in found.values():
        if described:
            print(_features(described))


def describe(kind: str, data: Any, labels: Any) -> Described:
    """The meta-features of a data set, and the time that they take."""
    extract = partial(_EXTRACTORS[kind], data, *(() if kind in _UNLABELLED else (labels,)))
    first, features = _time(extract)
    again, _ = _time(extract)
    seconds = {group: _time(partial(extract, groups=[group]))[0] for group in _GROUPS[kind]}
    return Described(features, first, again, seconds)


def _random_interactions(n: int) -> Interactions:
    """A fifth as many users and a fiftieth as many items at most, in Zipf's proportions."""
    rng = np.random.default_rng(0)
    users, items = rng.zipf(1.3, n) % (n // 5 + 1), rng.zipf(1.2, n) % (n // 50 + 1)
    return Interactions(users, items, rng.integers(1, 6, n), rng.random(n))


def _time(extract: Callable[[], dict[str, float]]) -> tuple[float, dict[str, float]]:
    start = time.perf_counter()
    features = extract()
    return time.perf_counter() - start, features


def _timings(found: Mapping[str, Mapping[str, Described]]) -> str:
    lines = [
        [
            name,
            f"{described.features[f'{kind}.nr_inst']:,.0f}",
            f"{described.first:.2f}",
            f"{described.again:.2f}",
            ", ".join(f"{group} {s:.2f}" for group, s in described.seconds.items()),
        ]
        for kind, by_name in found.items()
        for name, described in by_name.items()
    ]
    return (
        table(["data set", "instances", "s, first", "s, again", "s of each group"], lines) + "\n"
    )


def _features(described: Mapping[str, Described]) -> str:
    by_name = {name: d.features for name, d in described.items()}
    names = next(iter(by_name.values()))
    lines = [[name, *(_show(by_name[data][name]) for data in by_name)] for name in names]
    return table(["meta-feature", *by_name], lines) + "\n"


def _show(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"


if __name__ == "__main__":
    main()

"""Tables and figure of the benchmark, and tables of the studies, of :mod:`benchmarks.weights`."""

from __future__ import annotations

from collections.abc import Iterator
import io
import math
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.report.figure import COLOURS
from benchmarks.report.markdown import table
from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.study import AGAINST


__all__ = ["draw", "incumbents", "report", "standings"]

SETTING = ["domain", "size", "sources"]  # What methods are compared in.

_STEPS = (0, 5, 20, 50)  # Those that tables show, of training,
_TRIALS = (1, 3, 6, 12)  # and of a study.
# Few enough to tell apart.
_DRAWN = ("default", "scratch", "random prior", "LogME", "joint", "ensemble")
_PANELS = 4
_DPI = 80
_N_COLOURS = 128
_ROOM = 0.15  # Of scratch's range, above and below what is drawn of overfitting.


def report(rows: pd.DataFrame) -> str:
    """Return the tables of a benchmark's or of studies' rows."""
    return "\n".join(_of_studies(rows) if "arm" in rows else _of_starts(rows))


def _title(domain: str, size: int) -> str:
    """Return how a domain and a size are called."""
    return f"{domain}, {size} {DOMAINS[domain].unit}"


def standings(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare each method with scratch, in each setting and seed.

    Returns:
        The rows at which validation stopped, with ``scratch``, the final score from scratch, the
        ``gain`` over it, which is positive where better, and the ``share`` of scratch's steps
        until its final score is reached, infinite where it never is.
    """
    seed, line = [*SETTING, "seed"], [*SETTING, "seed", "method"]
    final = rows[rows["stopped"] == 1]
    scratch = final[final["method"] == "scratch"].set_index(seed)["score"].rename("scratch")
    sign = rows["domain"].map({name: entry.kind.sign for name, entry in DOMAINS.items()})
    rows = rows.join(scratch, on=seed).assign(sign=sign)
    reached = rows["sign"] * rows["score"] >= rows["sign"] * rows["scratch"]
    first = rows.assign(first=rows["step"].where(reached, math.inf)).groupby(line)["first"].min()
    final = rows[rows["stopped"] == 1].join(first, on=line)
    needed = first.xs("scratch", level="method").clip(lower=1.0).rename("needed")
    final = final.join(needed, on=seed)
    gain = final["sign"] * (final["score"] - final["scratch"])
    return final.assign(gain=gain, share=final["first"] / final["needed"])


def _of_starts(rows: pd.DataFrame) -> Iterator[str]:
    lines = standings(rows)
    means = _summary(lines)
    yield "## The default against scratch\n"
    default = means[means["method"] == "default"]
    names = [
        f"{_title(one.domain, one.size)}, {one.sources} sources" for one in default.itertuples()
    ]
    head = ["scratch", "default", "ratio", "gain", "wins", "steps", "chose scratch"]
    texts = default.rename(columns={"final": "default"})[head].itertuples(index=False)
    yield table(["setting", *head], ([name, *row] for name, row in zip(names, texts, strict=True)))
    yield "\n## Final score: gain over scratch, wins and steps, clean sources, fewest examples\n"
    clean = means[(means["sources"] == "clean") & (means["method"] != "scratch")]
    fewest = clean[clean["size"] == clean.groupby("domain")["size"].transform("first")]
    yield _grid(fewest, fewest["gain"] + ", " + fewest["wins"] + ", " + fewest["steps"])
    for setting, own in rows.groupby(SETTING, sort=False):
        domain, size, sources = setting
        yield f"\n## {_title(domain, size)}, {sources} sources: {DOMAINS[domain].kind.measure}\n"
        yield _methods(own, means.set_index(SETTING).loc[setting])
    yield "\n## CPU seconds, mean: on earlier tasks, and to choose\n"
    clean = lines[lines["sources"] == "clean"].groupby(["domain", "method"], sort=False)
    spent = clean[["before", "choosing"]].mean().map("{:.1f}".format).reset_index()
    yield _grid(spent, spent["before"] + " + " + spent["choosing"])


def _summary(lines: pd.DataFrame) -> pd.DataFrame:
    """Return texts of each method's means over the seeds of a setting."""
    groups = lines.groupby([*SETTING, "method"], sort=False)
    means = groups[["scratch", "score"]].mean()
    texts = {
        "scratch": means["scratch"].map("{:.3f}".format),
        "final": means["score"].map("{:.3f}".format),
        "ratio": (means["score"] / means["scratch"]).map("{:.3f}".format),
        "gain": groups["gain"].agg(lambda gains: _duel(gains)[0]),
        "wins": groups["gain"].agg(lambda gains: _duel(gains)[1]),
        "steps": groups["share"].median().map(_percent),
        "chose scratch": groups["source"].agg(lambda names: f"{(names == 'scratch').sum()}"),
    }
    return pd.DataFrame(texts).reset_index()


def _methods(rows: pd.DataFrame, means: pd.DataFrame) -> str:
    """Return a table of the methods of a setting: a line a start."""
    curves = rows[rows["step"].isin(_STEPS)].groupby(["method", "step"])["score"].mean().unstack()
    texts = curves.map("{:.3f}".format).rename(columns="after {}".format)
    texts = means.set_index("method")[[]].join(texts).join(means.set_index("method"))
    texts.loc["scratch", ["gain", "wins"]] = ""
    texts = texts.drop(columns=["scratch", "ratio", "chose scratch"])
    return table(["start", *texts], texts.itertuples())


def _grid(rows: pd.DataFrame, texts: pd.Series) -> str:
    """Return a table of texts, a line a method and a column a domain."""
    grid = rows.assign(text=texts).pivot(index="method", columns="domain", values="text")
    grid = grid.fillna("").loc[rows["method"].unique(), rows["domain"].unique()]
    return table(["start", *grid], grid.itertuples())


def incumbents(rows: pd.DataFrame) -> pd.DataFrame:
    """Return test accuracy of the trial with the least validation loss so far.

    Returns:
        A line for each arm and seed, a column for each trial.
    """
    rows = rows.sort_values(["seed", "trial"], kind="stable")
    keys = [rows["arm"], rows["seed"]]
    least = rows.groupby(keys)["loss"].cummin()
    before = least.groupby(keys).shift(fill_value=math.inf)
    best = rows["accuracy"].where(rows["loss"] < before).groupby(keys).ffill()
    return rows.assign(best=best).pivot(index=["arm", "seed"], columns="trial", values="best")


def _of_studies(rows: pd.DataFrame) -> Iterator[str]:
    for (domain, size), own in rows.groupby(["domain", "size"], sort=False):
        yield f"\n## {_title(domain, size)}, {own['seed'].nunique()} seeds\n"
        yield _arms(own)
        yield f"\n{_roles(own)}\n"
        chosen = own[own["choosing_steps"] > 0].drop_duplicates("seed").sort_values("seed")
        lines = [
            [row.seed, row.source or "scratch", f"{row.choosing_seconds:.1f}", row.choosing_steps]
            for row in chosen.itertuples()
        ]
        yield table(["seed", "chosen", "CPU seconds", "steps of training"], lines)


def _arms(rows: pd.DataFrame) -> str:
    """Return a table of the incumbents' accuracy, a line an arm."""
    curves = incumbents(rows)
    after = [n for n in _TRIALS if n - 1 in curves]
    last = curves.xs(AGAINST).iloc[:, -1]
    lines = []
    for arm, own in rows.groupby("arm", sort=False):
        curve, steps = curves.xs(arm), sorted(set(own["steps"]))
        lines.append(
            [
                arm,
                steps[0] if len(steps) == 1 else f"{steps[0]} to {steps[-1]}",
                *(_estimate(curve[n - 1]) for n in after),
                *(("", "") if arm == AGAINST else _duel(curve.iloc[:, -1] - last)),
                *_duel(curve[0] - last),
            ]
        )
    head = ["study", "steps a trial", *(f"after {n}" for n in after)]
    duels = [f"against {AGAINST}", "wins", "first trial against its last", "wins"]
    return table([*head, *duels], lines)


def _roles(rows: pd.DataFrame) -> str:
    """Return how often each role was drawn, and in how many seeds the incumbent has it."""
    rows = rows[rows.groupby("arm")["role"].transform("nunique") > 1].sort_values("trial")
    ends = rows.loc[rows.groupby(["arm", "seed"])["loss"].idxmin()]
    drawn = pd.crosstab(rows["arm"], rows["role"], normalize="index").loc[rows["arm"].unique()]
    last = pd.crosstab(ends["arm"], ends["role"]).reindex_like(drawn).fillna(0.0)
    texts = drawn.map("{:.0%}".format) + last.map(", last {:.0f}".format)
    return table(["study", *texts], texts.itertuples())


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Write a PNG of the settings with clean sources; bands are ± 1 standard error over seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    clean = [*rows[rows["sources"] == "clean"].groupby(["domain", "size"], sort=False)]
    n_rows = -(-len(clean) // _PANELS)
    figure = Figure(figsize=(3.2 * _PANELS, 2.8 * n_rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, _PANELS, squeeze=False).ravel()
    for axis in axes[len(clean) :]:
        axis.set_visible(False)
    handles: dict[str, Any] = {}
    for axis, ((domain, size), own) in zip(axes, clean, strict=False):
        handles |= _panel(axis, domain, own)
        axis.set_title(_title(domain, size), fontsize=8)
    names = [name for name in _DRAWN if name in handles]
    figure.legend(
        [handles[n] for n in names], names, loc="outside lower center", ncols=6, frameon=False
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI)
    buffer.seek(0)
    Image.open(buffer).convert("RGB").quantize(_N_COLOURS).save(path, optimize=True)


def _panel(axis: Any, domain: str, rows: pd.DataFrame) -> dict[str, Any]:
    scores = rows.groupby(["method", "step"])["score"]
    means, errors = scores.mean().unstack(), scores.sem().unstack().fillna(0.0)
    shown = [method for method in rows["method"].unique() if method in _DRAWN]
    handles = {}
    for method in shown:
        place = _DRAWN.index(method)
        mean, error, colour = means.loc[method], errors.loc[method], COLOURS[place]
        width = 2.4 if place == 0 else 1.4
        (handles[method],) = axis.plot(mean.index, mean, color=colour, lw=width)
        axis.fill_between(mean.index, mean - error, mean + error, color=colour, alpha=0.12)
    axis.set_xscale("symlog", linthresh=2)
    kind = DOMAINS[domain].kind
    if kind.sign < 0.0:  # Overfitting goes far beyond what is of interest.
        start, best = means.loc[shown[0]].iloc[0], means.loc[shown].min(axis=None)
        room = _ROOM * (start - best)
        if room > 0.0:
            axis.set_ylim(best - room, start + room)
    axis.set_xlabel("steps", fontsize=8)
    axis.set_ylabel(kind.measure, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    return handles


def _duel(gains: pd.Series) -> tuple[str, str]:
    return _estimate(gains, "+"), f"{(gains > 0.0).sum()} of {len(gains)}"


def _estimate(values: pd.Series, sign: str = "") -> str:
    """Return the mean, and its standard error where there are several."""
    error = "" if len(values) < 2 else f" ± {values.sem():.3f}"
    return f"{values.mean():{sign}.3f}{error}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if math.isfinite(share) else "never"

"""Tables and figure of the benchmark, and tables of the studies, of :mod:`benchmarks.weights`."""

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
from benchmarks.weights.study import EQUAL
from benchmarks.weights.study import SHARED


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
    return f"{domain}, {size} {DOMAINS[domain].unit}"


def standings(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows at which validation stopped, compared with scratch of the setting and seed.

    ``scratch`` is its final score, ``gain`` positive where better than that, and ``share`` that of
    scratch's steps until its final score is reached, infinite where it never is.
    """
    seed = [*SETTING, "seed"]

    def of_scratch(column: str) -> pd.Series:
        own = rows[(rows["stopped"] == 1) & (rows["method"] == "scratch")]
        return own.set_index(seed)[column]

    rows = rows.join(of_scratch("score").rename("scratch"), on=seed)
    sign = rows["domain"].map({name: entry.kind.sign for name, entry in DOMAINS.items()})
    rows["gain"] = sign * (rows["score"] - rows["scratch"])
    rows["first"] = rows["step"].where(rows["gain"] >= 0.0, math.inf)
    rows["first"] = rows.groupby([*seed, "method"])["first"].transform("min")
    final = rows[rows["stopped"] == 1].join(of_scratch("first").rename("needed"), on=seed)
    return final.assign(share=final["first"] / final["needed"].clip(lower=1.0))


def _of_starts(rows: pd.DataFrame) -> Iterator[str]:
    lines = standings(rows)
    means = _summary(lines)
    yield "## The default against scratch\n"
    default = means[means["method"] == "default"].rename(columns={"final": "default"})
    titles = [f"{_title(o.domain, o.size)}, {o.sources} sources" for o in default.itertuples()]
    head = ["scratch", "default", "ratio", "gain", "wins", "steps", "chose scratch"]
    yield table(["setting", *head], default[head].set_axis(titles).itertuples())
    yield "\n## Final score: gain over scratch, wins and steps, clean sources, fewest examples\n"
    clean = means[(means["sources"] == "clean") & (means["method"] != "scratch")]
    fewest = clean[clean["size"] == clean.groupby("domain")["size"].transform("first")]
    yield _grid(fewest, fewest["gain"] + ", " + fewest["wins"] + ", " + fewest["steps"])
    for setting, own in rows.groupby(SETTING, sort=False):
        domain, size, sources = setting
        yield f"\n## {_title(domain, size)}, {sources} sources: {DOMAINS[domain].kind.measure}\n"
        curves = own[own["step"].isin(_STEPS)].groupby(["method", "step"])["score"].mean()
        texts = curves.map("{:.3f}".format).unstack().rename(columns="after {}".format)
        others = means[(means[SETTING] == list(setting)).all(axis=1)].set_index("method")
        others.loc["scratch", ["gain", "wins"]] = ""
        texts = others[[]].join(texts).join(others[["final", "gain", "wins", "steps"]])
        yield table(["start", *texts], texts.itertuples())
    yield "\n## CPU seconds, mean: on earlier tasks, and to choose\n"
    clean = lines[lines["sources"] == "clean"].groupby(["domain", "method"], sort=False)
    spent = clean[["before", "choosing"]].mean().map("{:.1f}".format).reset_index()
    yield _grid(spent, spent["before"] + " + " + spent["choosing"])


def _summary(lines: pd.DataFrame) -> pd.DataFrame:
    groups = lines.groupby([*SETTING, "method"], sort=False)
    means = groups[["scratch", "score"]].mean()
    texts = {
        "scratch": means["scratch"].map("{:.3f}".format),
        "final": means["score"].map("{:.3f}".format),
        "ratio": (means["score"] / means["scratch"]).map("{:.3f}".format),
        "gain": groups["gain"].agg(lambda gains: _duel(gains)[0]),
        "wins": groups["gain"].agg(lambda gains: _duel(gains)[1]),
        "steps": groups["share"].median().map("{:.0%}".format).replace(["inf%", "nan%"], "never"),
        "chose scratch": groups["source"].agg(lambda names: f"{(names == 'scratch').sum()}"),
    }
    return pd.DataFrame(texts).reset_index()


def _grid(rows: pd.DataFrame, texts: pd.Series) -> str:
    """Return a table of texts, a line a method and a column a domain."""
    grid = rows.assign(text=texts).pivot(index="method", columns="domain", values="text")
    grid = grid.fillna("").loc[rows["method"].unique(), rows["domain"].unique()]
    return table(["start", *grid], grid.itertuples())


def incumbents(rows: pd.DataFrame) -> pd.DataFrame:
    """Return test accuracy of the trial with the least loss so far: by arm and seed, and trial."""
    rows = rows.sort_values(["seed", "trial"], kind="stable")
    keys = [rows["arm"], rows["seed"]]
    least = rows.groupby(keys)["loss"].cummin()
    before = least.groupby(keys).shift(fill_value=math.inf)
    best = rows["accuracy"].where(rows["loss"] < before).groupby(keys).ffill()
    return rows.assign(best=best).pivot(index=["arm", "seed"], columns="trial", values="best")


def _of_studies(rows: pd.DataFrame) -> Iterator[str]:
    for (domain, size), own in rows.groupby(["domain", "size"], sort=False):
        yield f"\n## {_title(domain, size)}, {own['seed'].nunique()} seeds\n"
        curves = incumbents(own)
        after, last = [n for n in _TRIALS if n - 1 in curves], curves.xs(AGAINST).iloc[:, -1]
        lines = []
        for arm, trials in own.groupby("arm", sort=False):
            curve, steps = curves.xs(arm), trials["steps"].agg(["min", "max"]).unique()
            duel = ("", "") if arm == AGAINST else _duel(curve.iloc[:, -1] - last)
            texts = [" to ".join(map(str, steps)), *(_estimate(curve[n - 1]) for n in after)]
            others = (EQUAL, SHARED) if trials["choosing_steps"].any() else ("scratch", "")
            total: list[str] = []
            for other in others:
                compares = other in curves.index and not arm.startswith("scratch")
                total += _duel((curve - curves.xs(other)).iloc[:, -1]) if compares else ("", "")
            lines.append([arm, *texts, *total, *duel, *_duel(curve[0] - last)])
        head = ["study", "steps a trial", *(f"after {n}" for n in after)]
        duels = ["against scratch at equal total steps", "wins", f"against {SHARED}", "wins"]
        duels += [f"against {AGAINST}", "wins", "first trial against its last", "wins"]
        yield table([*head, *duels], lines)
        yield f"\n{_roles(own)}\n"
        chosen = own[own["choosing_steps"] > 0].drop_duplicates("seed").sort_values("seed")
        source, seconds = chosen["source"].replace("", "scratch"), chosen["choosing_seconds"]
        cells = chosen["seed"], source, seconds.map("{:.1f}".format), chosen["choosing_steps"]
        head = ["seed", "chosen", "CPU seconds", "steps of training"]
        yield table(head, zip(*cells, strict=True))


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
    from matplotlib.figure import Figure
    from PIL import Image

    clean = [*rows[rows["sources"] == "clean"].groupby(["domain", "size"], sort=False)]
    n_rows = -(-len(clean) // _PANELS)
    figure = Figure(figsize=(3.2 * _PANELS, 2.8 * n_rows + 0.6), layout="constrained")
    axes = figure.subplots(n_rows, _PANELS, squeeze=False).ravel()
    lines: dict[str, Any] = {}
    for axis, ((domain, size), own) in zip(axes, clean, strict=False):
        lines |= _panel(axis, domain, size, own)
    for axis in axes[len(clean) :]:
        axis.set_visible(False)
    names = [name for name in _DRAWN if name in lines]
    shown = [lines[name] for name in names]
    figure.legend(shown, names, loc="outside lower center", ncols=6, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI)
    Image.open(buffer).convert("RGB").quantize(_N_COLOURS).save(path, optimize=True)


def _panel(axis: Any, domain: str, size: int, rows: pd.DataFrame) -> dict[str, Any]:
    """Draw a setting, and return a line for each method."""
    scores = rows[rows["method"].isin(_DRAWN)].groupby(["method", "step"], sort=False)["score"]
    means, errors, lines = scores.mean().unstack(), scores.sem().unstack().fillna(0.0), {}
    for method, mean in means.iterrows():
        error, place = errors.loc[method], _DRAWN.index(method)
        colour, width = COLOURS[place], 2.4 if place == 0 else 1.4
        (lines[method],) = axis.plot(mean.index, mean, color=colour, lw=width)
        axis.fill_between(mean.index, mean - error, mean + error, color=colour, alpha=0.12)
    axis.set_xscale("symlog", linthresh=2)
    kind = DOMAINS[domain].kind
    start, best = means.iloc[0, 0], means.min(axis=None)
    if kind.sign < 0.0 and start > best:  # Overfitting goes far beyond what is of interest.
        room = _ROOM * (start - best)
        axis.set_ylim(best - room, start + room)
    axis.set_title(_title(domain, size), fontsize=8)
    axis.set_xlabel("steps", fontsize=8)
    axis.set_ylabel(kind.measure, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    return lines


def _duel(gains: pd.Series) -> tuple[str, str]:
    return _estimate(gains, "+"), f"{(gains > 0.0).sum()} of {len(gains)}"


def _estimate(values: pd.Series, sign: str = "") -> str:
    error = "" if len(values) < 2 else f" ± {values.sem():.3f}"
    return f"{values.mean():{sign}.3f}{error}"

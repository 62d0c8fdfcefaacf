"""What a model got from a checkpoint: a table to read and a summary for the trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import optuna

from optuna_meta.sampler.weights_source import WEIGHTS_FROM_KEY
from optuna_meta.weights.checkpoint.lineage import Origin


__all__ = ["InitReport", "Mismatch", "record_lineage", "WEIGHTS_FROM_KEY"]

_SHOWN_NAMES = 5  # of each kind in the summary, and
_SHOWN_LETTERS = 60  # of each name: attributes of a trial are to stay below 2 kB.
_SHOWN_ORIGINS = 6  # for the same reason


class Mismatch(NamedTuple):
    """A tensor that has another shape, or holds another kind of number, in the model."""

    name: str
    source: str  # Shape and dtype in the checkpoint.
    model: str  # Shape and dtype in the model.


@dataclass(frozen=True)
class InitReport:
    """What was copied into a model and what was left as the model had initialised it.

    All names are the model's, without wrappers; those that it has not, of ``unexpected`` and
    ``left_out``, the checkpoint's, renamed.

    Args:
        loaded: Copied whole.
        overlapped: Of which the common block was copied.
        missing: Absent from the checkpoint.
        unexpected: Absent from the model.
        mismatched: Left alone, for shape or kind differ.
        left_out: Left alone on request: the head and what was excluded.
        cast: Of those copied, what changed its precision.
        n_parameters: Numbers among the model's parameters; tied ones count once, buffers not.
        n_wanted: The same without those left out on request.
        n_loaded: How many were copied.
        origins: The checkpoints; empty where unknown.
        made_by: How weights that no single trial saved were made; empty for others.
        steps: In how many steps of training these were; ``None`` where unknown.
    """

    loaded: tuple[str, ...]
    overlapped: tuple[Mismatch, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[Mismatch, ...]
    left_out: tuple[str, ...]
    cast: tuple[Mismatch, ...]
    n_parameters: int
    n_wanted: int
    n_loaded: int
    origins: tuple[Origin, ...] = ()
    made_by: str = ""
    steps: int | None = None

    @property
    def share(self) -> float:
        """The share of all parameters that was copied, in [0, 1]."""
        return self.n_loaded / self.n_parameters if self.n_parameters else 0.0

    @property
    def share_of_wanted(self) -> float:
        """The same among the parameters that were not left out on request."""
        return self.n_loaded / self.n_wanted if self.n_wanted else 0.0

    def summary(self) -> dict[str, Any]:
        """Return the report as plain values, below 2 kB as JSON: counts and the first names."""
        origins = self.origins[:_SHOWN_ORIGINS]
        summary: dict[str, Any] = {
            "sources": [o._asdict() | {"study": _short(o.study)} for o in origins],
            "n_sources": len(self.origins),
            "share": round(self.share, 4),
            "loaded": len(self.loaded),
        }
        if self.made_by:
            summary["made_by"] = self.made_by
        if self.steps is not None:
            summary["steps"] = self.steps
        for kind in ("overlapped", "missing", "unexpected", "mismatched", "left_out"):
            of_kind = getattr(self, kind)
            summary[kind] = len(of_kind)
            if kind != "left_out" and of_kind:
                names = [each.name if isinstance(each, Mismatch) else each for each in of_kind]
                summary[f"{kind}_names"] = [_short(name) for name in names[:_SHOWN_NAMES]]
        return summary

    def __str__(self) -> str:
        lines = [
            f"{self.n_loaded} of {self.n_parameters} parameters loaded ({self.share:.1%})",
            *(f"from trial {o.trial} of {o.study!r} ({o.sha256[:12]})" for o in self.origins),
            *([f"made by {self.made_by}"] if self.made_by else []),
        ]
        kinds = "loaded", "overlapped", "mismatched", "missing", "unexpected", "left_out", "cast"
        rows = [("", "name", "checkpoint", "model")]
        for kind in kinds:
            for each in getattr(self, kind):
                rows.append((kind, *(each if isinstance(each, Mismatch) else (each, "", ""))))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)


def record_lineage(trial: optuna.Trial, report: InitReport) -> None:
    """Write on the trial where its weights came from, under :data:`WEIGHTS_FROM_KEY`.

    Args:
        trial: A trial that runs; call this inside its objective.
        report: Of the initialisation of the trial's model.
    """
    trial.set_user_attr(WEIGHTS_FROM_KEY, report.summary())


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LETTERS else text[: _SHOWN_LETTERS - 3] + "..."

"""What came of trying starts for a new task: which is best, and why others are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optuna_meta._html import bounded
from optuna_meta._html import html_table
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate


__all__ = ["Ranked", "Ranking"]


@dataclass(frozen=True)
class Ranked:
    """One start in a ranking.

    Args:
        candidate: The checkpoint; ``None`` for a model of its own initialisation.
        score: What ranks it, higher is better; NaN where it was not considered.
        note: Why it was not considered, or what was found.
    """

    candidate: Candidate | None
    score: float
    note: str = ""


@dataclass(frozen=True)
class Ranking:
    """Starts, the best first; as text, a table.

    Args:
        starts: Those considered, then the others.
        steps: Of training that choosing took.
        trained: The best start's weights, scratch's too, as its short training left them: what
            starts from them goes on with that training, whose steps are not lost. Its head is the
            new task's. ``None`` where nothing was trained.
    """

    starts: tuple[Ranked, ...]
    steps: int = 0
    trained: Checkpoint | None = None

    @property
    def best(self) -> Candidate | None:
        """What to start from; ``None`` means from scratch."""
        considered = [start for start in self.starts if not np.isnan(start.score)]
        return considered[0].candidate if considered else None

    def __str__(self) -> str:
        names = [str(start.candidate or "scratch") for start in self.starts]
        width = max(map(len, names), default=0)
        lines = [
            f"{name:<{width}}  {start.score:>10.4g}  {start.note}".rstrip()
            for name, start in zip(names, self.starts, strict=True)
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        best = bounded(self.best or "scratch")
        return f"Ranking(best={best!r}, {len(self.starts)} starts, {self.steps} steps)"

    def _repr_html_(self) -> str:
        rows = [[s.candidate or "scratch", f"{s.score:.4g}", s.note] for s in self.starts]
        return html_table(repr(self), ["start", "score", "note"], rows)

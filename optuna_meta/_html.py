"""Tables for notebooks: escaped and bounded, whatever names others have given."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import html


__all__ = ["bounded", "html_table", "listed"]

_MOST_CHARACTERS = 60
_MOST_ROWS = 20


def bounded(text: object, most: int = _MOST_CHARACTERS) -> str:
    """Return a text in one line of so many characters at most."""
    plain = "".join(c if c.isprintable() else " " for c in str(text)[: most + 1])
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def listed(names: Iterable[object], most: int = 5) -> str:
    """Return some of many names, and how many more there are."""
    everything = list(names)
    shown = ", ".join(bounded(name) for name in everything[:most])
    return shown if len(everything) <= most else f"{shown} and {len(everything) - most} more"


def html_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in HTML; of many rows the first.

    Args:
        title: What stands above it.
        header: The columns' names.
        rows: The cells.
    """
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(bounded(cell))}</td>" for cell in row) + "</tr>"
        for row in rows[:_MOST_ROWS]
    )
    more = f"<p>… and {len(rows) - _MOST_ROWS} more</p>" if len(rows) > _MOST_ROWS else ""
    return (
        f"<div><p>{html.escape(bounded(title, 400))}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{more}</div>"
    )

"""Two ways to write the same report: Markdown for the dashboard, HTML for a file.

What users have named is plain text in both, whatever letters it has.
"""

from __future__ import annotations

from collections.abc import Sequence
import html
import re
from typing import Protocol


__all__ = ["Html", "Markdown", "TextStyle"]

LONGEST = 60  # Letters of a name.


class TextStyle(Protocol):
    """How headings, names and tables are written."""

    def name(self, text: str, most: int = LONGEST) -> str:
        """Write what a user has named, in so many letters at most."""
        ...

    def blocks(self, kind: str, lines: Sequence[str]) -> str:
        """Write a ``heading``, a ``title``, paragraphs (``text``) or a ``list``."""
        ...

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Write a table of cells that are written already."""
        ...


def _plain(text: str, most: int) -> str:
    """Return a name on one line, cut where it is long."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


class Markdown:
    """Markdown as GitHub and optuna-dashboard read it."""

    def name(self, text: str, most: int = LONGEST) -> str:
        """Write a name as code, in which nothing has a meaning but the bar of tables."""
        plain = _plain(text, most).replace("|", "¦")
        longest = max((len(run) for run in re.findall("`+", plain)), default=0)
        fence = "`" * (longest + 1)
        padding = " " if longest or plain.strip() != plain or not plain else ""
        return f"{fence}{padding}{plain}{padding}{fence}"

    def blocks(self, kind: str, lines: Sequence[str]) -> str:
        """Write one block after the other, or the items of a list."""
        if kind == "list":
            return "\n".join(f"* {line}" for line in lines)
        marks = {"title": "## ", "heading": "### "}.get(kind, "")
        return "\n\n".join(f"{marks}{line}" for line in lines)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Write a table."""
        lines = [header, ["---"] * len(header), *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Html:
    """HTML without any script."""

    def name(self, text: str, most: int = LONGEST) -> str:
        """Write a name as code, with what HTML reads escaped."""
        return f"<code>{html.escape(_plain(text, most))}</code>"

    def blocks(self, kind: str, lines: Sequence[str]) -> str:
        """Write one block after the other, or the items of a list."""
        tag = {"title": "h1", "heading": "h2", "list": "li"}.get(kind, "p")
        found = "\n".join(f"<{tag}>{line}</{tag}>" for line in lines)
        return f"<ul>\n{found}\n</ul>" if kind == "list" else found

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Write a table."""
        head = "".join(f"<th>{cell}</th>" for cell in header)
        body = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
        lines = [f"<tr>{line}</tr>" for line in [head, *body]]
        return "\n".join(["<table>", *lines, "</table>"])

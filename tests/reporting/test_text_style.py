"""Names are plain text in Markdown and HTML, whatever letters they have."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from optuna_meta.reporting.text_style import Html
from optuna_meta.reporting.text_style import Markdown


NASTY = [
    "<script>alert(1)</script>",
    "a|b",
    "`code` ``",
    "`",
    "",
    " ",
    "[link](javascript:alert(1))",
    "line\nbreak\r\n# title",
    "\u202eabc",
    "x" * 500,
]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_code_in_html(name: str) -> None:
    reader = _Reader()
    reader.feed(Html().name(name))
    assert reader.tags == ["code"]


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_one_code_span_in_markdown(name: str) -> None:
    written = Markdown().name(name)
    fence = written[: len(written) - len(written.lstrip("`"))]
    assert fence and written.endswith(fence) and "\n" not in written and "|" not in written
    inside = written[len(fence) : -len(fence)]
    assert fence not in inside and len(inside) <= 62
    assert inside[:1] != "`" and inside[-1:] != "`"  # Else the fence would be longer.


def test_tables_have_as_many_cells_in_each_row() -> None:
    style, rows = Markdown(), [[Markdown().name("a|b"), "1"], ["c", "2"]]
    lines = style.table(["x", "y"], rows).splitlines()
    assert [line.count("|") for line in lines] == [3, 3, 3, 3]
    assert Html().table(["x", "y"], [["a", "b"]]).count("<td>") == 2


def test_blocks_are_headings_paragraphs_and_lists() -> None:
    assert Markdown().blocks("title", ["A"]) == "## A"
    assert Markdown().blocks("text", ["A", "B"]) == "A\n\nB"
    assert Markdown().blocks("list", ["A", "B"]) == "* A\n* B"
    assert Html().blocks("heading", ["A"]) == "<h2>A</h2>"
    assert Html().blocks("list", ["A"]) == "<ul>\n<li>A</li>\n</ul>"

"""A report as one file."""

from __future__ import annotations

from html.parser import HTMLParser
import re

import numpy as np
import pytest

from optuna_meta.replay.saving import Saving
from optuna_meta.reporting import html_report
from tests.visualization.studies import bowl_study
from tests.visualization.studies import telling_study
from tests.visualization.studies import WEIRD


pytest.importorskip("plotly")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_file_has_text_figures_and_all_that_draws_them() -> None:
    saving = Saving(4, 0.1, np.array([3.0]), 3, courses=np.array([[1.0, 0.5, 0.1]]))
    text = html_report(bowl_study(), saving=saving)
    reader = _Reader()
    reader.feed(text)
    assert reader.loaded == []  # It loads nothing.
    assert reader.tags.count("h1") == 1 and "table" in reader.tags
    assert len(re.findall(r"Plotly\.newPlot\(", text)) >= 4
    assert reader.tags.count("details") == 10


def test_names_of_users_are_text() -> None:
    study = telling_study(study_name="</title><script>alert(1)</script>")
    text = html_report(study, saving=False)
    assert "<script>alert" not in text and WEIRD[:4] not in text
    assert "&lt;script&gt;alert(1)" in text and "Not estimated here" in text


def test_it_is_one_document() -> None:
    text = html_report(telling_study())
    assert text.lower().count("<!doctype html>") == 1 and text.count("<body") <= 1

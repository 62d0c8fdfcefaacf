"""What figures share."""

from __future__ import annotations

from importlib.util import find_spec
import json

import numpy as np
import pytest

from optuna_meta.visualization import is_available
from optuna_meta.visualization import plotly_figure
from optuna_meta.visualization.plotly_figure import figure_of
from optuna_meta.visualization.plotly_figure import graph_objects
from optuna_meta.visualization.plotly_figure import numbers
from optuna_meta.visualization.plotly_figure import placeholder
from optuna_meta.visualization.plotly_figure import shown_name
from optuna_meta.visualization.plotly_figure import thinned


def test_it_is_available_where_plotly_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_available() == (find_spec("plotly") is not None)
    monkeypatch.setattr(plotly_figure, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'optuna-meta\[plots\]'"):
        graph_objects()


def test_names_are_plain_text_and_short() -> None:
    assert shown_name("<a href='x'>&") == "&lt;a href='x'&gt;&amp;"
    assert "$" not in shown_name("$x$") and "\n" not in shown_name("a\nb")
    assert len(shown_name("x" * 100)) == 40


def test_numbers_are_json() -> None:
    found = numbers(np.array([1 / 3, np.nan, np.inf, 2e-9]))
    assert found == [0.3333, None, None, 2e-9]
    assert json.loads(json.dumps(found)) == found


def test_long_lines_are_thinned_but_for_what_must_stay() -> None:
    kept = thinned(10_000, [1, 17, 99_999])
    assert len(kept) <= 152 and {0, 1, 17, 9_999} <= set(kept.tolist())
    assert thinned(3).tolist() == [0, 1, 2]


def test_a_placeholder_is_small_and_says_why() -> None:
    pytest.importorskip("plotly")
    figure = placeholder("Title", "Nothing yet")
    assert figure.layout.annotations[0].text == "Nothing yet"
    assert len(figure.to_json()) < 600
    assert figure_of([], "Title").layout.title.text == "Title"

"""The code in a page of the documentation runs."""

from __future__ import annotations

from pathlib import Path
import re

import pytest


PAGES = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["is-my-prior-helping", "read-the-report"])
def test_the_code_of_a_page_runs(
    page: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (PAGES / f"{page}.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(compile(code, page, "exec"), {})
    assert "share" in capsys.readouterr().out

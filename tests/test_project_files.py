"""Files that others' tools read: the citation, the forms for issues, what makes the site."""

from __future__ import annotations

from pathlib import Path
import re
import runpy
import tomllib

import pytest
import yaml


ROOT = Path(__file__).parents[1]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_citation_and_changelog_are_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    title = f"## [{citation['version']}] - {citation['date-released']}"
    assert title in (ROOT / "CHANGELOG.md").read_text().splitlines()


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_something(form: Path) -> None:
    asked = yaml.safe_load(form.read_text())
    assert asked.keys() >= {"name", "description", "body"}
    fields = [part for part in asked["body"] if part["type"] != "markdown"]
    assert all(part["attributes"]["label"] for part in fields)
    assert len({part["id"] for part in fields}) == len(fields) > 0
    assert any(part.get("validations", {}).get("required") for part in fields)


def test_every_example_has_a_page_of_the_site() -> None:
    pytest.importorskip("sphinx_gallery")
    left_out = runpy.run_path(str(ROOT / "docs" / "conf.py"))["sphinx_gallery_conf"][
        "ignore_pattern"
    ]
    examples = [path.as_posix() for path in (ROOT / "examples").glob("*.py")]
    assert examples and not [name for name in examples if re.search(left_out, name)]

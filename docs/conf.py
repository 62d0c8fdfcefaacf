"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

from importlib.metadata import version as version_of


project = "optuna-meta"
author = "the developers of optuna-meta"
release = version = version_of("optuna-meta")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py", "gallery/*.md5"]

html_theme = "furo"  # It has a dark and a light side.
html_title = "optuna-meta"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r".*")
]  # Types of other libraries, which have pages of their own.

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"^$",  # `make smoke` runs them, each in its smallest form.
    # Of an application only its program, which says what it is.
    "ignore_pattern": r"^(__init__|data|model|pretrained)\.py$",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
}
# The programs of applications are told apart by their folders.
suppress_warnings = ["config.cache", "sphinx_gallery.duplicate_filename"]

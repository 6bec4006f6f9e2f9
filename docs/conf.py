"""The documentation's build: `make docs`. Pages are Markdown; the API reference comes out of the docstrings.

The pages load nothing from other hosts: no fonts, no scripts, no analytics.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _made import fill  # the folder is put on the path right above

project = "lipsync-async"
author = "the authors of lipsync-async"
project_copyright = author
release = version = version_of("lipsync-async")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "lipsync-async"
html_static_path: list[str] = []
html_show_sphinx = False
html_copy_source = False
smartquotes = False  # an option begins with two hyphens

# Docstrings are written for a reader of the code: names in single backticks, and no other markup.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "inherited-members": False, "undoc-members": False}
toc_object_entries = False


def _one_sentence_a_line(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """A docstring has one sentence a line; what looks like other markup in it is meant as it stands."""
    for number, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)
        lines[number] = "".join(part if part.startswith("`") else re.sub(r"([*|_])", r"\\\1", part) for part in parts)


def _fill(_app: Any, page: str, source: list[str]) -> None:
    """Puts what stands elsewhere into the pages that have a place for it."""
    source[0] = fill(page, source[0])


def setup(app: Any) -> dict[str, bool]:
    """Ties both to the build."""
    app.connect("autodoc-process-docstring", _one_sentence_a_line)
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

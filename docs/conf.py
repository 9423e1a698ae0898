"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
os.environ.setdefault("MPLBACKEND", "agg")

import docstrings  # noqa: E402
import links  # noqa: E402
import sessions  # noqa: E402
from reference_pages import write_reference  # noqa: E402

import nervure  # noqa: E402

project = "Nervure"
author = copyright = "the authors of Nervure"
release = version = nervure.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["gallery/*"]
html_theme = "pydata_sphinx_theme"
html_title = "Nervure"
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "lecture",
    "filename_pattern": r"/\d\d_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 0,
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "remove_config_comments": True,
}

write_reference(HERE / "reference")


def setup(app: Any) -> None:
    """Register what the files beside this one do; docstrings go before Napoleon."""
    app.connect("autodoc-process-docstring", docstrings.prepare, priority=100)
    app.connect("autodoc-skip-member", docstrings.leave_out)
    app.connect("doctree-read", links.lead_to_pages)
    app.connect("doctree-read", sessions.colour)

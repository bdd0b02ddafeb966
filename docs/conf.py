"""How Sphinx builds these pages: ``make docs`` writes them to ``docs/_build/html``, warnings are errors."""

from __future__ import annotations

import sys
from pathlib import Path

from underbutler import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "Underbutler"
author = "The Underbutler founders"
project_copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "reference_pages",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
language = "en"
highlight_language = "text"
nitpicky = True
smartquotes = False  # --wait stays --wait

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

default_role = "literal"  # `name` in a docstring is a name, not a reference
autosummary_generate = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template lists them
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
# Types in signatures are those of other packages, or of rooms that no page describes: no inventory is fetched.
nitpick_ignore_regex = [("py:(class|data|obj|exc)", ".*")]

html_theme = "pydata_sphinx_theme"
html_title = f"Underbutler {version}"
html_static_path = ["_static"]
html_css_files = ["underbutler.css"]
html_show_sourcelink = False
html_sidebars = {"index": [], "tutorial": [], "contributing": []}
html_theme_options = {
    "logo": {"text": "Underbutler"},
    "show_nav_level": 1,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}

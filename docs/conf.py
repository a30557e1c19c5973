"""The documentation as a site: ``sphinx-build -W -b html docs build/site`` (extra ``docs``)."""

import densecore

project = "densecore"
author = "the authors of densecore"
version = release = densecore.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.autosummary"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["images"]
html_theme = "pydata_sphinx_theme"
html_title = "densecore"
html_theme_options = {"show_prev_next": True, "navigation_with_keys": False}
html_show_sourcelink = False
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
# Pages are read on GitHub too, where links lead to files of the repository.
suppress_warnings = ["myst.xref_missing", "myst.header", "docutils", "autodoc.duplicate"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
autosummary_generate = False

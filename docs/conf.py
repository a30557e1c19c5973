"""The documentation as a site: ``nox -s site`` (extra ``docs``)."""

import re
from typing import Any

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
html_sidebars = {
    "**": list[str]()
}  # pages have no sections of their own: the column would be empty
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["narrow.css"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
# Pages are read on GitHub too, where links lead to files of the repository.
# Words of types, as in "str or path", are no links, though some attribute is called so.
suppress_warnings = [
    "myst.xref_missing", "myst.header", "docutils", "autodoc.duplicate", "ref.python"
]  # fmt: skip
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_ivar = True  # attributes that are properties too would be described twice
autosummary_generate = False


def setup(app: Any) -> None:
    """Leave out the methods that scikit-learn adds to estimators, whose links lead to its site;
    show |x| as it stands, which would be the name of a text to put there."""

    def skip(
        app: Any, what: str, name: str, thing: Any, skipped: bool, options: Any
    ) -> bool | None:
        return True if re.fullmatch(r"set_\w+_request", name) else None

    def keep_bars(
        app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]
    ) -> None:
        for number, line in enumerate(lines):
            parts = re.split("(`+[^`]*`+)", line)  # every second one is code
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[number] = "".join(parts)

    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", keep_bars)

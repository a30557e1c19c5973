"""Pictures and tables: the optional libraries that make them, and the files that pictures go to."""

import os
from typing import TYPE_CHECKING, Any

from . import checks
from .files import atomic_writer, check_writable
from .lazy import imports

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE_EXTRA = "data frames need pandas: pip install 'densecore[tables]'"
PLOT_EXTRA = "plotting needs matplotlib: pip install 'densecore[plot]'"


def html_table(title: str, lines: list[list[str]]) -> str:
    """A table for notebooks; the first line is its head."""
    with imports:
        import html

    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head, *body = lines
    return (
        f"<table><caption>{html.escape(title)}</caption><thead>{row(head, 'th')}</thead>"
        f"<tbody>{''.join(row(line, 'td') for line in body)}</tbody></table>"
    )


def require_matplotlib() -> Any:
    """matplotlib's Figure class; ImportError naming the extra when it is not installed."""
    try:
        with imports:
            from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(PLOT_EXTRA) from None
    return Figure


def require_pandas() -> Any:
    """The module pandas; ImportError naming the extra when it is not installed."""
    try:
        with imports:
            import pandas
    except ImportError:
        raise ImportError(TABLE_EXTRA) from None
    return pandas


def check_picture_path(path: str | os.PathLike[str]) -> str:
    """The format that a picture's path asks for.

    Raises
    ------
    ValueError
        matplotlib does not write files of that ending; the message lists those that it does.
    OSError
        The file could not be written.
    """
    with imports:
        from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    shown = checks.path("path", path)
    ending = os.path.splitext(shown)[1].lstrip(".").lower()
    if ending not in known:
        raise ValueError(
            f"{shown}: found the ending {'.' + ending if ending else 'of no kind'!r}, "
            f"wanted one of {', '.join('.' + name for name in sorted(known))}"
        )
    check_writable(path)
    return ending


def save_figure(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a picture in the format of the path's ending, whole or not at all."""
    ending = check_picture_path(path)
    with atomic_writer(path) as file:
        figure.savefig(file, format=ending, dpi=120)

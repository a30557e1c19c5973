"""History: what a training run reported, epoch by epoch, and its picture."""

import os
from typing import TYPE_CHECKING, Any

from ._files import atomic_writer, check_writable
from .metrics import larger_is_better

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT_EXTRA = "plotting needs matplotlib: pip install 'densecore[plot]'"


class History:
    """The numbers of a training run.

    Attributes
    ----------
    history : dict of str to list of float
        ``"loss"``, the metrics, and the same with ``val_`` in front: one number per epoch.
    epoch : list of int
        The epochs' numbers, from 0 (or `initial_epoch`).
    params : dict
        ``epochs``, ``batch_size``, ``rows``.
    """

    def __init__(
        self,
        history: dict[str, list[float]],
        epoch: list[int],
        params: dict[str, Any] | None = None,
    ) -> None:
        self.history = history
        self.epoch = epoch
        self.params = params or {}

    def plot(self, path: str | os.PathLike[str] | None = None) -> "Figure":
        """Draw the loss curves, and one panel for each metric.

        Parameters
        ----------
        path : path, optional
            Where to write the picture; the ending decides the format (.png, .svg, .pdf).

        Returns
        -------
        matplotlib.figure.Figure
            It belongs to no window: notebooks show it, scripts save it.

        Raises
        ------
        ImportError
            matplotlib is not installed; the message names the extra.
        ValueError
            There is nothing to draw, or the ending is not a picture's.
        """
        figure_class = require_matplotlib()
        if not self.epoch:
            raise ValueError("plot: found no epochs, wanted at least one")
        names = [name for name in self.history if not name.startswith("val_")]
        figure: Figure = figure_class(figsize=(6.0 * len(names), 4.0), layout="constrained")
        for number, name in enumerate(names):
            self._panel(figure.add_subplot(1, len(names), number + 1), name)
        if path is not None:
            _save(figure, path)
        return figure

    def _panel(self, axes: "Axes", name: str) -> None:
        numbers = [epoch + 1 for epoch in self.epoch]  # people count epochs from 1
        marker = "o" if len(numbers) < 3 else None
        training, held_out = self.history[name], self.history.get("val_" + name)
        axes.plot(numbers, training, color="tab:blue", marker=marker, label="training")
        if held_out is not None:
            axes.plot(numbers, held_out, color="tab:orange", marker=marker, label="validation")
            finite = [value for value in held_out if value == value]
            if finite:
                best = max(finite) if larger_is_better(name) else min(finite)
                where = numbers[held_out.index(best)]
                label = f"best: {best:.4g} (epoch {where})"
                axes.plot(where, best, "o", color="tab:red", markersize=5, zorder=5, label=label)
        shown = [value for values in (training, held_out or []) for value in values if value > 0]
        # A loss that falls by orders of magnitude is a line along the axis otherwise.
        if not larger_is_better(name) and shown and max(shown) > 30 * min(shown):
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name.replace("_", " "))
        axes.grid(True, alpha=0.3)
        axes.legend(frameon=False)
        if len(numbers) < 10:
            axes.set_xticks(numbers)

    def __repr__(self) -> str:
        if not self.epoch:
            return "History(no epochs)"
        last = ", ".join(f"{name}={values[-1]:.4g}" for name, values in self.history.items())
        return f"History({len(self.epoch)} epochs; last: {last})"


def require_matplotlib() -> Any:
    """matplotlib's Figure class; ImportError naming the extra when it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(PLOT_EXTRA) from None
    return Figure


def check_picture_path(path: str | os.PathLike[str]) -> str:
    """The format that a picture's path asks for; raises when it could not be written."""
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    ending = os.path.splitext(os.fspath(path))[1].lstrip(".").lower()
    if ending not in known:
        raise ValueError(
            f"{os.fspath(path)}: found the ending {'.' + ending if ending else 'of no kind'!r}, "
            f"wanted one of {', '.join('.' + name for name in sorted(known))}"
        )
    check_writable(path)
    return ending


def _save(figure: "Figure", path: str | os.PathLike[str]) -> None:
    ending = check_picture_path(path)
    with atomic_writer(path) as file:
        figure.savefig(file, format=ending, dpi=120)

"""History: what a training run reported, epoch by epoch, and its picture."""

import os
import weakref
from typing import TYPE_CHECKING, Any

from .._base import checks
from .._base.figures import html_table, require_matplotlib, require_pandas, save_figure
from .._base.warn import warn
from ..metrics import larger_is_better
from .base import Callback, Logs

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..models.model import Model


class History(Callback):
    """The numbers of a training run; the callback that every ``fit`` has.

    Attributes
    ----------
    history : dict of str to list of float
        ``"loss"``, the metrics, the same with ``val_`` in front, and what callbacks have added, for
        instance ``"learning_rate"``: one number per epoch that had it.
    epoch : list of int
        The epochs' numbers, from 0 (or `initial_epoch`).
    params : dict
        ``epochs``, ``steps``, ``batch_size``, ``rows``, ``verbose``, ``metrics`` (the names that an
        epoch has), ``validation_freq``.
    model : Model or None
        The trained model, as long as there is one.
    message : str
        Why a solver stopped; empty after steps of an optimizer.
    """

    def __init__(
        self,
        history: dict[str, list[float]] | None = None,
        epoch: list[int] | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.history = {} if history is None else history
        self.epoch = [] if epoch is None else epoch
        self.params = params or {}
        self.message = ""
        # For the model's metrics: whether they should grow. Other numbers go by their names.
        self.directions: dict[str, bool] = {}
        # The epochs of each number, as they were seen.
        self._epochs: dict[str, list[int]] = {}

    @property  # type: ignore[override]
    def model(self) -> "Model | None":
        """The model that was trained; None in a copy or after the model is gone."""
        found = vars(self).get("_trained")
        return None if found is None else found()

    @model.setter
    def model(self, model: "Model | None") -> None:
        # The model has the history: a circle would keep both until Python looks for circles.
        vars(self)["_trained"] = None if model is None else weakref.ref(model)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_trained"}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget an earlier training."""
        self.history = {name: [] for name in self.params.get("metrics", ())}
        self.epoch = []
        self._epochs = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Keep the epoch's numbers."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
            self._epochs.setdefault(name, []).append(epoch)

    def _extend(self, epochs: range, names: list[str], columns: list[list[float]]) -> None:
        """Keep the values of each number in several epochs."""
        self.epoch.extend(epochs)
        for name, values in zip(names, columns, strict=True):
            self.history.setdefault(name, []).extend(values)
            self._epochs.setdefault(name, []).extend(epochs)

    def get_state(self) -> dict[str, Any]:
        """All numbers so far."""
        return {"history": self.history, "epoch": self.epoch, "epochs": self._epochs}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on behind them."""
        numbers, epoch, epochs = state["history"], state["epoch"], state.get("epochs", {})
        for lists in (numbers, epochs):
            if not isinstance(lists, dict) or not all(isinstance(v, list) for v in lists.values()):
                raise TypeError("history: found something else than lists of numbers by name")
        if any(checks.real(value) is None for values in numbers.values() for value in values):
            raise TypeError("history: found values that are not numbers")
        if not isinstance(epoch, list):
            raise TypeError(f"epoch: found {checks.shown(epoch)}, wanted a list of integers")
        for value in [value for values in (epoch, *epochs.values()) for value in values]:
            checks.integer("epoch", value)
        self.history, self.epoch, self._epochs = numbers, epoch, epochs

    def epochs_of(self, name: str) -> list[int]:
        """The epochs that a number belongs to: with ``validation_freq`` not all have all of them.

        Raises
        ------
        KeyError
            There is no such number.
        """
        seen = self._epochs.get(name, [])
        if len(seen) == len(self.history[name]):
            return seen
        # The history was made by hand.
        missing = len(self.epoch) - len(self.history[name])
        if missing == 0:
            return self.epoch
        every = int(self.params.get("validation_freq", 1))
        due = [epoch for epoch in self.epoch if (epoch + 1) % every == 0]
        found = len(self.history[name])
        return due if len(due) == found else self.epoch[-found:] if found else []

    def _grows(self, name: str) -> bool:
        return self.directions.get(name.removeprefix("val_"), larger_is_better(name))

    def best_epoch(self, name: str = "val_loss") -> int:
        """The epoch in which a number was best: smallest, or largest for accuracies and scores.

        Parameters
        ----------
        name : str, default "val_loss"
            A key of ``history``.

        Raises
        ------
        ValueError
            There is no such number, or none that is finite.
        """
        if name not in self.history:
            raise ValueError(
                f"best_epoch: found no '{name}'; known: {', '.join(self.history) or 'nothing'}"
            )
        pairs = zip(self.history[name], self.epochs_of(name), strict=True)
        finite = [(value, epoch) for value, epoch in pairs if value == value]
        if not finite:
            raise ValueError(f"best_epoch: found no finite '{name}'")
        sign = -1 if self._grows(name) else 1
        return min(finite, key=lambda pair: sign * pair[0])[1]

    def to_pandas(self) -> "pandas.DataFrame":
        """The numbers as a DataFrame: a row for each epoch, NaN where it has no such number.

        Raises
        ------
        ImportError
            pandas is not installed; the message names the extra.
        """
        pandas = require_pandas()
        columns = {
            name: pandas.Series(values, index=self.epochs_of(name), dtype="float64")
            for name, values in self.history.items()
        }
        index = pandas.Index(self.epoch, name="epoch")
        return pandas.DataFrame(columns, index=index)

    def to_frame(self) -> "pandas.DataFrame":
        """The old name of `to_pandas`, until version 0.3."""
        warn("History.to_frame is called History.to_pandas now", DeprecationWarning)
        return self.to_pandas()

    def plot(self, path: str | os.PathLike[str] | None = None) -> "Figure":
        """Draw the loss curves, and one panel for each metric and for a recorded learning rate.

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
        # Rows of three: a line of many panels is readable on no screen.
        rows, columns = (len(names) + 2) // 3, min(len(names), 3)
        figure: Figure = figure_class(figsize=(6.0 * columns, 4.0 * rows), layout="constrained")
        for number, name in enumerate(names):
            self._panel(figure.add_subplot(rows, columns, number + 1), name)
        if path is not None:
            save_figure(figure, path)
        return figure

    def _numbers(self, name: str) -> list[int]:
        return [epoch + 1 for epoch in self.epochs_of(name)]  # people count epochs from 1

    def _panel(self, axes: "Axes", name: str) -> None:
        training, held_out = self.history[name], self.history.get("val_" + name) or None
        marker = "o" if len(training) < 3 else None
        if name == "learning_rate":
            axes.step(self._numbers(name), training, color="tab:green", marker=marker, where="mid")
        else:
            axes.plot(
                self._numbers(name), training, color="tab:blue", marker=marker, label="training"
            )
        if held_out is not None:
            numbers = self._numbers("val_" + name)
            marker = "o" if len(held_out) < 3 else None
            axes.plot(numbers, held_out, color="tab:orange", marker=marker, label="validation")
            if any(value == value for value in held_out):
                where = self.best_epoch("val_" + name) + 1
                best = held_out[numbers.index(where)]
                label = f"best: {best:.4g} (epoch {where})"
                axes.plot(where, best, "o", color="tab:red", markersize=5, zorder=5, label=label)
        shown = [value for values in (training, held_out or []) for value in values if value > 0]
        # A loss that falls by orders of magnitude is a line along the axis otherwise.
        spread = 5 if name == "learning_rate" else 30
        if not self._grows(name) and shown and max(shown) > spread * min(shown):
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name.replace("_", " "))
        axes.grid(True, alpha=0.3)
        if name != "learning_rate":
            axes.legend(frameon=False)
        if len(self.epoch) < 10:
            axes.set_xticks([epoch + 1 for epoch in self.epoch])

    def __repr__(self) -> str:
        if not self.epoch:
            return "History(no epochs)"
        shown = [f"{name}={values[-1]:.4g}" for name, values in self.history.items() if values]
        return f"History({len(self.epoch)} epochs; last: {', '.join(shown)})"

    def _repr_html_(self) -> str:
        if not self.epoch:
            return "<p>History: no epochs</p>"
        # The first and the last rows say what a long table would.
        rows = [*self.epoch] if len(self.epoch) <= 12 else [*self.epoch[:5], None, *self.epoch[-5:]]
        columns = {
            name: dict(zip(self.epochs_of(name), values, strict=True))
            for name, values in self.history.items()
        }
        lines = [["epoch", *columns]]
        for epoch in rows:
            if epoch is None:
                lines.append(["…"] * (1 + len(columns)))
            else:
                cells = [column.get(epoch) for column in columns.values()]
                shown = ["" if value is None else f"{value:.4g}" for value in cells]
                lines.append([str(epoch + 1), *shown])
        return html_table(f"History: {len(self.epoch)} epochs", lines)

"""Loss over wall time on three regression tables: solvers against steps, ours against others'.

    python benchmarks/solvers.py [--quick] [--json FILE] [--plot FILE]

Everybody trains the same architecture in float64 on all rows, as fast as it can, until its time is
over or it stops by itself; every loss is the mean squared error of standardised targets. Writes
benchmarks/results/solvers.json and docs/images/solvers.png, unless told what to write.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import densecore as dc
from description import describe

ROOT = Path(__file__).parents[1]
COLOURS = {
    "densecore lm": "#d9480f",
    "densecore lbfgs": "#f59f00",
    "densecore adam": "#868e96",
    "scikit-learn lbfgs": "#1c7ed6",
    "SciPy least_squares": "#2b8a3e",
}

Array = Any
Curve = list[tuple[float, float]]  # (seconds, lowest loss so far)


class Table(NamedTuple):
    """A regression problem and the hidden layers that it is given."""

    name: str
    x: Array
    y: Array
    hidden: tuple[int, ...]


def _standardised(values: Array) -> Array:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def concrete() -> Table:
    """Measured: strength of concrete from its recipe, 1030 × 8."""
    rows = np.loadtxt(ROOT / "examples/data/concrete.csv", delimiter=",", skiprows=1)
    rows = _standardised(rows)
    return Table("concrete strength (measured)", rows[:, :8].copy(), rows[:, 8:].copy(), (16, 16))


def robot_arm() -> Table:
    """Made: where a hand is for three angles of its arm, 1500 × 3 to 3."""
    x = np.random.default_rng(0).uniform(-1, 1, (1500, 3))
    turn, shoulder, elbow = (x * np.pi / 2).T
    reach = np.cos(shoulder) + 0.7 * np.cos(shoulder + elbow)
    height = np.sin(shoulder) + 0.7 * np.sin(shoulder + elbow)
    y = np.column_stack([reach * np.cos(turn), reach * np.sin(turn), height])
    return Table("robot arm (made)", x, _standardised(y), (20, 20))


def oscillator() -> Table:
    """Made: a damped oscillator's place for its time, frequency and damping, 2000 × 3."""
    x = np.random.default_rng(1).uniform(-1, 1, (2000, 3))
    moment, frequency, damping = 1.5 * (x[:, 0] + 1), 2 + x[:, 1], 0.5 + 0.4 * x[:, 2]
    y = np.exp(-damping * moment) * np.cos(frequency * moment)
    return Table("damped oscillator (made)", x, _standardised(y[:, None]), (16, 16))


class _OutOfTimeError(Exception):
    pass


class _Clock(dc.callbacks.Callback):
    """Notes each epoch's loss, and ends the training when the time is over."""

    def __init__(self, budget: float) -> None:
        super().__init__()
        self.curve: Curve = []
        self._budget, self._start = budget, time.perf_counter()

    def note(self, loss: float) -> float:
        spent = time.perf_counter() - self._start
        best = min(loss, self.curve[-1][1]) if self.curve else loss
        self.curve.append((spent, best))
        return spent

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.note((logs or {})["loss"]) > self._budget:
            self.model.stop_training = True


def _model(table: Table) -> dc.Sequential:
    layers: list[Any] = [dc.Input(table.x.shape[1])]
    layers += [dc.Dense(units, "tanh") for units in table.hidden]
    model = dc.Sequential([*layers, dc.Dense(table.y.shape[1])], dtype="float64", seed=0)
    model.compile(dc.optimizers.Adam(), "mse")
    return model


def _own(solver: str | None) -> Callable[[Table, float], Curve]:
    def run(table: Table, budget: float) -> Curve:
        model, clock = _model(table), _Clock(budget)
        model.fit(table.x, table.y, epochs=10**6, verbose=0, callbacks=[clock], solver=solver)
        return clock.curve

    return run


def _scikit(table: Table, budget: float) -> Curve:
    """Nobody is called between iterations: trainings of more and more, each from the start."""
    from sklearn.neural_network import MLPRegressor
    from threadpoolctl import threadpool_limits

    curve: Curve = []
    iterations, spent, left = 25, 0.0, budget
    while left >= spent:
        model = MLPRegressor(
            hidden_layer_sizes=table.hidden, activation="tanh", solver="lbfgs", alpha=0.0,
            tol=1e-12, max_iter=iterations, max_fun=10**9, random_state=0,
        )  # fmt: skip
        begin = time.perf_counter()
        # One thread of BLAS: products this small take it longer with two.
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):
            warnings.simplefilter("ignore")  # it is meant to end after so many iterations
            model.fit(table.x, table.y if table.y.shape[1] > 1 else table.y.ravel())
        spent = time.perf_counter() - begin
        left -= spent
        found = model.predict(table.x).reshape(table.y.shape)
        curve.append((spent, float(((found - table.y) ** 2).mean())))
        if model.n_iter_ < iterations:
            break
        iterations *= 2
    return curve


def _scipy(table: Table, budget: float) -> Curve:
    """Trust regions (trf) on the same residuals, with the model's own Jacobian."""
    from scipy.optimize import least_squares
    from threadpoolctl import threadpool_limits

    model, clock = _model(table), _Clock(budget)

    def residuals(p: Array) -> Array:
        model.parameters[:] = p
        found = (model.predict(table.x) - table.y).ravel()
        if clock.note(float((found**2).mean())) > budget:
            raise _OutOfTimeError
        return found

    def jacobian(p: Array) -> Array:
        model.parameters[:] = p
        return model.parameter_jacobian(table.x).reshape(-1, len(p))

    with contextlib.suppress(_OutOfTimeError), threadpool_limits(1, "blas"):
        least_squares(residuals, model.parameters.copy(), jacobian, ftol=1e-15, xtol=1e-15,
                      gtol=1e-15, max_nfev=10**6)  # fmt: skip
    return clock.curve


CONTESTANTS: dict[str, Callable[[Table, float], Curve]] = {
    "densecore lm": _own("lm"),
    "densecore lbfgs": _own("lbfgs"),
    "densecore adam": _own(None),
    "scikit-learn lbfgs": _scikit,
    "SciPy least_squares": _scipy,
}


def _thinned(curve: Curve, most: int = 200) -> Curve:
    """Points of a curve, evenly in the logarithm of time."""
    if len(curve) <= most:
        return curve
    times = np.array([seconds for seconds, _ in curve])
    wanted = np.geomspace(max(times[0], 1e-3), times[-1], most)
    places = np.unique(np.minimum(np.searchsorted(times, wanted), len(curve) - 1))
    return [curve[int(place)] for place in places]


def draw(report: dict[str, Any], path: Path) -> None:
    """A panel per table, a line per contestant."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    tables = report["tables"]
    figure, panels = pyplot.subplots(1, len(tables), figsize=(4.2 * len(tables), 3.9), dpi=150)
    for axes, table in zip(panels, tables, strict=True):
        for name, curve in table["curves"].items():
            seconds, losses = zip(*curve, strict=True)
            own = name == "densecore lm"
            axes.plot(seconds, losses, color=COLOURS[name], lw=2.4 if own else 1.5,
                      zorder=3 if own else 2, label=name)  # fmt: skip
            axes.plot(seconds[-1], losses[-1], "o", ms=5 if own else 3.5, color=COLOURS[name],
                      zorder=3 if own else 2)  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="seconds")
        axes.set_title(f"{table['name']}\n{table['rows']} rows, {table['parameters']} parameters",
                       fontsize=10)  # fmt: skip
        axes.grid(color="#dee2e6", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("mean squared error (training)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main() -> None:
    """Run, print a table, write the results and the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a second for each, in all < 30 s")
    parser.add_argument("--json", type=Path, help="write all numbers")
    parser.add_argument("--plot", type=Path, help="write a picture")
    given = parser.parse_args()
    if given.json is None and given.plot is None:
        given.json = ROOT / "benchmarks/results/solvers.json"
        given.plot = ROOT / "docs/images/solvers.png"
    budget = 1.0 if given.quick else 9.0
    for run in CONTESTANTS.values():
        run(Table("imports", np.zeros((2, 1)), np.zeros((2, 1)), (1,)), 0.0)
    report: dict[str, Any] = {"machine": describe(), "budget": budget, "tables": []}
    for table in (concrete(), robot_arm(), oscillator()):
        parameters = _model(table).count_params()
        print(f"\n{table.name}: {len(table.x)} rows, {parameters} parameters")
        curves = {}
        for name, run in CONTESTANTS.items():
            curve = run(table, budget)
            curves[name] = _thinned(curve)
            print(f"  {name:20} {curve[-1][1]:9.3g} after {curve[-1][0]:5.1f} s", flush=True)
        report["tables"].append(
            {"name": table.name, "rows": len(table.x), "parameters": parameters, "curves": curves}
        )
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(report, indent=1) + "\n")
    if given.plot is not None:
        draw(report, given.plot)


if __name__ == "__main__":
    main()

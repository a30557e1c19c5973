"""densecore.sklearn beside sklearn.neural_network: the same settings, data and random states.

    python benchmarks/sklearn_tables.py [--quick] [--json FILE]

Five tables, standardised: four that come with scikit-learn, and one made here with the rows and
columns of California housing, which does not come with it. Every fit is made by both in turn, and
must end with the same loss after the same number of epochs; the time is the best of several. Then
the cross-validated score of both, and the time that `predict` takes for one row.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import sklearn
import sklearn.neural_network as theirs
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import densecore as dc
import densecore.sklearn as ours
import frame
from timing import in_turn

MODULES = {"scikit-learn": theirs, "densecore": ours}
# Of a smaller difference between the final losses, rounding is the cause. L-BFGS, which chooses its
# next step by the last ones, makes more of it.
SAME, SAME_OF_LBFGS = 1e-6, 1e-2

# What else is timed, on the small tables; the numbers to keep are those of the defaults.
OTHER_SETTINGS: dict[str, dict[str, Any]] = {
    "early stopping": {"early_stopping": True, "learning_rate_init": 0.01},
    "sgd, adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.01},
    "lbfgs": {"solver": "lbfgs", "alpha": 1.0},
    "100-100, batch 32": {"hidden_layer_sizes": (100, 100), "batch_size": 32, "max_iter": 50},
}


class Table(NamedTuple):
    """Rows, targets, and the estimator for them."""

    name: str
    kind: str
    X: Any
    y: Any


def houses(rows: int) -> tuple[Any, Any]:
    """A made table like California housing: 8 columns, a skewed target that is cut at the top.

    Columns: income (lognormal), age (uniform), rooms and bedrooms (lognormal, dependent), people,
    occupancy (lognormal), and a place within two clusters. The price grows with the income, falls
    with the distance to the nearer cluster, with noise of a fifth; prices above 5 are 5.
    """
    rng = np.random.default_rng(1990)
    income = rng.lognormal(1.2, 0.45, rows)
    age = rng.uniform(1, 52, rows)
    rooms = rng.lognormal(1.6, 0.3, rows) * income**0.2
    bedrooms = rooms / rng.lognormal(1.6, 0.15, rows)
    people = rng.lognormal(7, 0.7, rows)
    occupancy = rng.lognormal(1, 0.3, rows)
    centres = np.array([[34.0, -118.2], [37.8, -122.4]])
    place = centres[rng.integers(0, 2, rows)] + rng.normal(0, 1.2, (rows, 2))
    distance = np.sqrt(((place[:, None] - centres) ** 2).sum(axis=2)).min(axis=1)
    price = 0.45 * income * np.exp(-0.3 * distance) + 0.01 * age + 0.8 / occupancy
    price = np.minimum(price * rng.lognormal(0, 0.2, rows), 5)
    X = np.column_stack([income, age, rooms, bedrooms, people, occupancy, place])
    return X, price


def tables(quick: bool) -> list[Table]:
    """All five; regressions have standardised targets."""
    made = [
        Table(load.__name__.removeprefix("load_"), kind, *load(return_X_y=True))
        for load, kind in (
            (load_digits, "MLPClassifier"),
            (load_breast_cancer, "MLPClassifier"),
            (load_wine, "MLPClassifier"),
            (load_diabetes, "MLPRegressor"),
        )
    ]
    made.append(Table("housing (made)", "MLPRegressor", *houses(2000 if quick else 20640)))
    return [
        t._replace(y=(t.y - t.y.mean()) / t.y.std()) if t.kind == "MLPRegressor" else t
        for t in made
    ]


def fits(table: Table, settings: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Seconds of a fit by each, in turn; their ends must agree."""
    X = StandardScaler().fit_transform(table.X)
    seconds: dict[str, list[float]] = {name: [] for name in MODULES}
    ends: dict[str, Any] = {}
    for _ in range(rounds):
        for name, module in MODULES.items():
            estimator = getattr(module, table.kind)(random_state=0, **settings)
            start = time.perf_counter()
            estimator.fit(X, table.y)
            seconds[name].append(time.perf_counter() - start)
            ends[name] = estimator
    a, b = ends["scikit-learn"], ends["densecore"]
    same = SAME_OF_LBFGS if settings.get("solver") == "lbfgs" else SAME
    if a.n_iter_ != b.n_iter_ or not math.isclose(a.loss_, b.loss_, rel_tol=same):
        raise SystemExit(
            f"{table.name}, {settings}: found the losses {a.loss_} after {a.n_iter_} epochs and "
            f"{b.loss_} after {b.n_iter_}, wanted the same"
        )
    best = {name: min(each) for name, each in seconds.items()}
    return {
        "seconds": best,
        "ratio": best["scikit-learn"] / best["densecore"],
        "loss": {name: float(end.loss_) for name, end in ends.items()},
        "epochs": int(a.n_iter_),
    }


def scores(table: Table, settings: dict[str, Any], folds: int) -> dict[str, Any]:
    """Cross-validated accuracy or R2: mean and standard error over the folds."""
    split = (StratifiedKFold if table.kind == "MLPClassifier" else KFold)(
        folds, shuffle=True, random_state=0
    )
    found = {}
    for name, module in MODULES.items():
        pipeline = make_pipeline(
            StandardScaler(), getattr(module, table.kind)(random_state=0, **settings)
        )
        each = cross_val_score(pipeline, table.X, table.y, cv=split)
        found[name] = [float(each.mean()), float(each.std(ddof=1) / math.sqrt(folds))]
    return found


def one_row(table: Table, seconds: float) -> dict[str, float]:
    """Microseconds of `predict` of one row, by each; and of `predict_one`, where there is one."""
    X = StandardScaler().fit_transform(table.X)
    calls = {}
    predicted = []
    for name, module in MODULES.items():
        estimator = getattr(module, table.kind)(random_state=0, max_iter=3).fit(X, table.y)
        predicted.append(estimator.predict(X[:1]))
        calls[name] = _repeated(estimator.predict, X[:1].copy())
        if hasattr(estimator, "predict_one"):
            calls["predict_one"] = _repeated(estimator.predict_one, X[0].copy())
    np.testing.assert_allclose(predicted[0], predicted[1], rtol=SAME)
    return {name: min(each) * 1e6 for name, each in in_turn(calls, 5, seconds).items()}


def _repeated(function: Any, argument: Any) -> Any:
    def call(count: int) -> None:
        for _ in range(count):
            function(argument)

    return call


def geometric_mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def compare(quick: bool) -> dict[str, Any]:
    """Everything, printed as it comes."""
    short: dict[str, Any] = {"max_iter": 5} if quick else {}
    result: dict[str, Any] = {
        "scikit-learn": sklearn.__version__, "quick": quick, "defaults": {}, "others": []
    }  # fmt: skip
    print("defaults            fit, one thread       default threads     "
          "loss      score, mean ± standard error    predict one row, µs")  # fmt: skip
    print("table               sklearn     dc  times  sklearn     dc  times           "
          "sklearn         dc              sklearn     dc  times")  # fmt: skip
    own = dc.get_num_threads()
    for table in tables(quick):
        rounds = 1 if quick else 2 if len(table.X) > 10_000 else 5
        row: dict[str, Any] = {}
        with threadpool_limits(1):
            dc.set_num_threads(1)
            row["one thread"] = fits(table, short, rounds)
            row["one row"] = one_row(table, 0.01 if quick else 0.1)
            row["score"] = scores(table, short, 2 if quick else 3 if rounds == 2 else 5)
        dc.set_num_threads(own)
        row["default threads"] = fits(table, short, rounds)
        result["defaults"][table.name] = row
        _print_row(table.name, row)
    for threads in ("one thread", "default threads"):
        ratios = [row[threads]["ratio"] for row in result["defaults"].values()]
        result[threads] = {"geometric mean": geometric_mean(ratios), "least": min(ratios)}
        print(f"{threads}: {geometric_mean(ratios):.1f} times in the geometric mean, "
              f"{min(ratios):.1f} at least")  # fmt: skip
    if not quick:
        print("\nother settings, one thread               epochs  sklearn      dc  times")
        dc.set_num_threads(1)
        with threadpool_limits(1):
            for table in tables(quick)[:4:3]:
                for label, settings in OTHER_SETTINGS.items():
                    found = fits(table, settings, 3)
                    result["others"].append({"table": table.name, "settings": label, **found})
                    a, b = found["seconds"].values()
                    print(f"{table.name:16} {label:22} {found['epochs']:8} {a:8.3f} {b:7.3f} "
                          f"{found['ratio']:6.1f}")  # fmt: skip
        dc.set_num_threads(own)
    return result


def _print_row(name: str, row: dict[str, Any]) -> None:
    def times(part: dict[str, Any]) -> str:
        a, b = part["seconds"].values()
        return f"{a:8.3f} {b:6.3f} {part['ratio']:6.1f}"

    (a, a_error), (b, b_error) = row["score"].values()
    one = row["one row"]
    line = (
        f"{name:18} {times(row['one thread'])} {times(row['default threads'])} "
        f"{row['one thread']['loss']['densecore']:8.4f}   {a:.4f} ± {a_error:.4f} "
        f"{b:.4f} ± {b_error:.4f}  {one['scikit-learn']:8.1f} {one['densecore']:6.1f} "
        f"{one['scikit-learn'] / one['densecore']:6.1f}"
    )
    print(line + (f"  predict_one {one['predict_one']:.1f}" if "predict_one" in one else ""))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    options = frame.parse(__doc__, arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)
    frame.write(options.json, compare(options.quick))


if __name__ == "__main__":
    main()

"""densecore.sklearn beside sklearn.neural_network: the same settings, data and seeds.

    python benchmarks/sklearn_tables.py [--quick] [--json FILE]

Tables that come with scikit-learn, standardised, a quarter of the rows held out. Accuracy (R2 for
diabetes) on these, and seconds of one fit, both as means of several seeds; one thread.
"""

import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sklearn.neural_network as theirs
from sklearn.base import is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import densecore as dc
import densecore.sklearn as ours
import frame

SEEDS = 3

SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "early stopping": {"early_stopping": True, "learning_rate_init": 0.01},
    "sgd, adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.01},
    "lbfgs": {"solver": "lbfgs", "alpha": 1.0},
    "100-100, batch 32": {"hidden_layer_sizes": (100, 100), "batch_size": 32, "max_iter": 50},
}


def tables() -> Iterator[tuple[str, str, list[Any]]]:
    """Name, estimator, and the parts (X, X held out, y, y held out)."""
    for load, name in (
        (load_digits, "MLPClassifier"),
        (load_breast_cancer, "MLPClassifier"),
        (load_diabetes, "MLPRegressor"),
    ):
        X, y = load(return_X_y=True)
        if name == "MLPRegressor":
            y = (y - y.mean()) / y.std()
        X, X_test, y, y_test = train_test_split(X, y, random_state=0)
        scaler = StandardScaler().fit(X)
        parts = [scaler.transform(X), scaler.transform(X_test), y, y_test]
        yield load.__name__.removeprefix("load_"), name, parts


def measure(
    kind: Any, settings: dict[str, Any], parts: list[Any], seeds: int
) -> tuple[float, float, float]:
    """Mean score, seconds and epochs of a fit."""
    X, X_test, y, y_test = parts
    found = []
    for seed in range(seeds):
        estimator = kind(random_state=seed, **settings)
        start = time.perf_counter()
        estimator.fit(X, y)
        seconds = time.perf_counter() - start
        found.append((estimator.score(X_test, y_test), seconds, estimator.n_iter_))
    score, seconds, epochs = np.mean(found, axis=0)
    return float(score), float(seconds), float(epochs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = frame.parse(__doc__, arguments)
    seeds, chosen = (1, ["early stopping"]) if options.quick else (SEEDS, list(SETTINGS))
    rows = []
    warnings.simplefilter("ignore", ConvergenceWarning)
    dc.set_num_threads(1)
    print("                                       score           epochs        seconds")
    print(
        "table          settings            sklearn    dc   sklearn    dc   sklearn     dc  times"
    )
    with threadpool_limits(1):
        for table, name, parts in tables():
            assert is_classifier(getattr(ours, name)()) == (name == "MLPClassifier")
            for label in chosen:
                settings = SETTINGS[label]
                a = measure(getattr(theirs, name), settings, parts, seeds)
                b = measure(getattr(ours, name), settings, parts, seeds)
                print(
                    f"{table:14} {label:18} {a[0]:8.3f} {b[0]:.3f} {a[2]:9.0f} {b[2]:5.0f} "
                    f"{a[1]:9.3f} {b[1]:6.3f} {a[1] / b[1]:6.1f}"
                )
                row = {"table": table, "settings": label}
                for who, found in (("sklearn", a), ("densecore", b)):
                    row[who] = dict(zip(("score", "seconds", "epochs"), found, strict=True))
                rows.append(row)
    frame.write(options.json, {"seeds": seeds, "rows": rows})


if __name__ == "__main__":
    main()

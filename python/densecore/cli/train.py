"""``densecore train``: from a table to a saved model."""

import argparse
import contextlib
import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

import densecore as dc
from densecore.tabular.preparation import ClassTarget, NumericFeature
from densecore.tabular.reader import Table, listed, read_table
from densecore.utils import check_picture_path, check_writable, require_matplotlib

from .options import add_separator, refuse_same_file, separator_of
from .split import Problem, prepare


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "train",
        help="train a network on a table and save it",
        description="Train a dense network on a table (CSV, plain or gzip; Parquet and Excel with "
        "pandas) and save it with all that prediction needs.",
    )
    parser.add_argument("data", metavar="DATA", help="the table; its first line names the columns")
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        action="append",
        required=True,
        help="what to predict; repeat it for several numeric targets",
    )
    parser.add_argument(
        "--task",
        choices=["classification", "regression"],
        help="by default told by the target: text, booleans and few whole numbers are classes",
    )
    network = parser.add_argument_group("network")
    network.add_argument(
        "--hidden",
        type=_widths,
        default=[128, 64],
        metavar="N,N",
        help="widths of the hidden layers, '' for none (default: 128,64)",
    )
    network.add_argument("--activation", default="relu", metavar="NAME", help="(default: relu)")
    network.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=_positive_integer, default=150, help="(default: 150)")
    training.add_argument("--batch-size", type=_positive_integer, default=32, help="(default: 32)")
    training.add_argument("--optimizer", default="adam", metavar="NAME", help="(default: adam)")
    training.add_argument("--learning-rate", type=float, metavar="RATE", help="(default: its own)")
    training.add_argument(
        "--validation-split",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="the share of the rows held out (default: 0.2)",
    )
    training.add_argument("--seed", type=_seed, default=0, help="of the split, the weights and the "
                          "shuffles (default: 0)")  # fmt: skip
    training.add_argument("--threads", type=_positive_integer, help="(default: all processors)")
    table = parser.add_argument_group("table")
    add_separator(table)
    table.add_argument(
        "--missing",
        choices=["error", "mean"],
        default="error",
        help="missing numbers: refuse them, or take the column's mean (default: error)",
    )
    for option, text in [
        ("--ignore", "leave a column out, for instance a row number"),
        ("--categorical", "take a column as categories even if it holds numbers"),
    ]:
        table.add_argument(option, metavar="COLUMN", action="append", default=[], help=text)
    output = parser.add_argument_group("output")
    output.add_argument("--save", default="model.safetensors", metavar="MODEL", help="(default: "
                        "model.safetensors)")  # fmt: skip
    output.add_argument("--plot", metavar="FILE.png", help="draw the loss curves")
    output.add_argument("--quiet", action="store_true", help="print the result only")
    parser.set_defaults(run=run)


def _widths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        raise argparse.ArgumentTypeError(f"found '{text}', wanted widths such as 64,32") from None


def _positive_integer(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"found '{text}', wanted a whole number of at least 1")
    return value


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(f"found '{text}', wanted a whole number from 0 to 2^64-1")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Train, print, save, draw."""
    # All that can go wrong without the data, before any work is done.
    separator = separator_of(options.separator)
    refuse_same_file(("--save", options.save), ("--plot", options.plot), ("DATA", options.data))
    check_writable(options.save)
    if options.plot is not None:
        require_matplotlib()
        check_picture_path(options.plot)
    if options.threads is not None:
        dc.set_num_threads(options.threads)
    if not 0 < options.validation_split < 1:
        raise ValueError(
            f"--validation-split: found {options.validation_split}, wanted a share between 0 and 1"
        )
    optimizer = dc.optimizers.get(options.optimizer)
    if options.learning_rate is not None:
        optimizer.learning_rate = options.learning_rate
    hidden = [dc.Dense(width, options.activation, kernel_initializer=_initializer(options))
              for width in options.hidden]  # fmt: skip

    table = read_table(options.data, separator)
    problem = prepare(table, options)
    say = (lambda text: None) if options.quiet else _show
    for line in _description(table, problem, options):
        say(line)

    classes = problem.classes
    last = dc.Dense(problem.preparation.target.outputs, "linear" if classes is None else "softmax")
    model = dc.Sequential(
        [dc.Input(problem.preparation.inputs), *hidden, last],
        dtype=options.dtype,
        seed=options.seed,
        name="table",
    )
    loss = "mean_squared_error" if classes is None else "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, [] if classes is None else ["accuracy"])
    start = time.perf_counter()
    history = _fit(model, problem, options)
    seconds = time.perf_counter() - start
    model.metadata = {"table": problem.preparation.to_dict()}
    model.save(options.save)
    if options.plot is not None:
        history.plot(options.plot)
    for line in _results(model, problem):
        _show(line)
    say(f"training took {seconds:.2f} s")
    say(f"model saved to {options.save}")
    if options.plot is not None:
        say(f"loss curves drawn to {options.plot}")
    return 0


def _fit(model: dc.Sequential, problem: Problem, options: argparse.Namespace) -> dc.History:
    """Train, and raise ValueError when that diverges."""
    y = problem.network_targets()
    with warnings.catch_warnings():
        # A training that diverges ends in the error below.
        warnings.filterwarnings("ignore", "epoch ", RuntimeWarning)
        history = model.fit(
            problem.x[problem.training],
            y[problem.training],
            batch_size=options.batch_size,
            epochs=options.epochs,
            validation_data=(problem.x[problem.validation], y[problem.validation]),
            verbose=0 if options.quiet else 1,
        )
    if not np.isfinite(history.history["loss"][-1]):
        raise ValueError(
            f"{options.data}: training diverged (the loss is {history.history['loss'][-1]}); try a "
            "smaller --learning-rate"
        )
    return history


def _show(line: str) -> None:
    # A training is not lost because the reader of the pipe has gone; `main` sees that it has.
    with contextlib.suppress(BrokenPipeError):
        print(line, flush=True)


def _initializer(options: argparse.Namespace) -> str:
    # He's variance suits units that are zero half of the time; Glorot's the others.
    return "he_normal" if options.activation == "relu" else "glorot_uniform"


def _description(table: Table, problem: Problem, options: argparse.Namespace) -> list[str]:
    features = problem.preparation.features
    categorical = sum(not isinstance(feature, NumericFeature) for feature in features)
    kinds = f"{len(features) - categorical} numeric" + (
        f" and {categorical} categorical" if categorical else ""
    )
    target = problem.preparation.target
    if isinstance(target, ClassTarget):
        goal = (
            f"classification of '{target.name}' into {len(target.classes)} classes "
            f"({listed(target.classes, 10)})"
        )
    else:
        goal = f"regression of {listed([repr(name) for name in target.names])}"
    chosen = "" if options.task else " (--task overrides)"
    lines = [
        f"{table.path}: {len(table)} rows, {kinds} features",
        f"{goal}{chosen}",
        f"{len(problem.training)} rows to train on, {len(problem.validation)} to validate",
    ]
    constant = [
        f.name
        for f in features
        if isinstance(f, NumericFeature)
        and f.scale == 1
        and np.unique(table.column(f.name).numbers()[problem.training]).size == 1
    ]
    if constant:
        lines.append(f"constant in the training part, of no use: {listed(constant)}")
    return lines


def _results(model: dc.Sequential, problem: Problem) -> list[str]:
    rows = problem.validation
    outputs = model.predict(problem.x[rows])
    target = problem.preparation.target
    if isinstance(target, ClassTarget):
        truth = problem.y[rows]
        accuracy = (outputs.argmax(axis=1) == truth).mean()
        majority = np.bincount(problem.y[problem.training]).argmax()
        return [
            f"validation accuracy {accuracy:.2%} "
            f"(always '{target.classes[majority]}': {(truth == majority).mean():.2%})"
        ]
    predicted = target.restore(outputs)
    linear = _linear_predictions(problem)
    lines = []
    for j, name in enumerate(target.names):
        truth = problem.y[rows, j]
        error = predicted[:, j] - truth
        lines.append(
            f"validation of '{name}': RMSE {np.sqrt((error**2).mean()):.4g}, "
            f"MAE {np.abs(error).mean():.4g}, R² {_r_squared(truth, predicted[:, j])} "
            f"(linear model: R² {_r_squared(truth, linear[:, j])})"
        )
    return lines


def _linear_predictions(problem: Problem) -> NDArray[np.float64]:
    """Least squares on the same rows: what a network has to beat."""
    assert problem.linear_x is not None
    x = np.column_stack([np.ones(len(problem.x)), problem.linear_x])
    fitted = np.linalg.lstsq(x[problem.training], problem.y[problem.training], rcond=None)[0]
    predictions: NDArray[np.float64] = x[problem.validation] @ fitted
    return predictions


def _r_squared(truth: NDArray[Any], predicted: NDArray[Any]) -> str:
    spread = ((truth - truth.mean()) ** 2).sum()
    # Undefined for a constant, which a small validation part may be.
    return "undefined" if spread == 0 else f"{1 - ((truth - predicted) ** 2).sum() / spread:.4f}"

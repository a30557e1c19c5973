"""``densecore train``: from a table to a saved model."""

import argparse
import contextlib
import json
import sys
from typing import Any

import densecore as dc
from densecore import tabular
from densecore.distributed import Group, launched
from densecore.tabular import report
from densecore.tabular.importance import permutation_importance
from densecore.tabular.judge import judge
from densecore.tabular.selection import is_classification
from densecore.utils import check_picture_path, check_writable, require_matplotlib

from .options import add_table_options, read, refuse_same_file
from .progress_bar import ProgressBar


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "train",
        help="train networks on a table and save them",
        description="Train dense networks on a table (CSV and its relatives, plain or packed; "
        "JSON; spreadsheets, Parquet and files of other programs with pandas) and save them with "
        "all that prediction needs.",
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="the table, - for the standard input; its first line names the columns",
    )
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
    _add_recipe(parser.add_argument_group("recipe"))
    _add_network(parser.add_argument_group("network, in place of the recipe's"))
    table = parser.add_argument_group("table")
    add_table_options(table)
    table.add_argument(
        "--missing",
        choices=["learn", "error", "mean"],
        default="learn",
        help="missing values: learn what they say, or refuse them (default: learn; mean is its "
        "name of version 0.1)",
    )
    for option, text in [
        ("--ignore", "leave a column out, for instance a row number"),
        ("--categorical", "take a column as categories even if it holds numbers"),
    ]:
        table.add_argument(option, metavar="COLUMN", action="append", default=[], help=text)
    output = parser.add_argument_group("output")
    output.add_argument("--save", default="model.safetensors", metavar="MODEL", help="(default: "
                        "model.safetensors)")  # fmt: skip
    output.add_argument("--test", metavar="FILE", help="a table to judge the model on")
    output.add_argument("--json", metavar="FILE", help="write the whole report")
    output.add_argument("--plot", metavar="FILE.png", help="draw losses, calibration, importances")
    output.add_argument("--quiet", action="store_true", help="print the result only")
    parser.set_defaults(run=run)


def _add_recipe(group: Any) -> None:
    group.add_argument(
        "--recipe",
        choices=list(tabular.RECIPES),
        default="default",
        help="how much is trained (default: default)",
    )
    group.add_argument("--time-limit", type=_positive_number, metavar="SECONDS",
                       help="train as much of the recipe as fits")  # fmt: skip
    group.add_argument("--metric", metavar="NAME", help="what it should be good at: accuracy, "
                       "log_loss, auc, f1, balanced_accuracy; rmse, mae, r2")  # fmt: skip
    group.add_argument("--class-weight", choices=["balanced"], help="rare classes count as much as "
                       "frequent ones")  # fmt: skip
    group.add_argument("--weight", metavar="COLUMN", help="how much each row counts")
    group.add_argument("--group", metavar="COLUMN", help="rows of one group are held out together")
    group.add_argument("--cv", type=_positive_integer, metavar="K", help="parts of the rows, each "
                       "held out from some networks (default: the recipe's)")  # fmt: skip
    group.add_argument(
        "--validation-split",
        type=float,
        metavar="SHARE",
        help="hold one share of the rows out from all networks, instead of parts",
    )
    group.add_argument("--seed", type=_seed, default=0, help="of the parts, the weights and the "
                       "shuffles (default: 0)")  # fmt: skip
    group.add_argument("--threads", type=_positive_integer, help="(default: all processors)")


def _add_network(group: Any) -> None:
    group.add_argument("--hidden", type=_widths, metavar="N,N", help="widths of the hidden layers, "
                       "'' for none")  # fmt: skip
    group.add_argument("--activation", metavar="NAME")
    group.add_argument("--dtype", choices=["float32", "float64"])
    group.add_argument("--epochs", type=_positive_integer)
    group.add_argument("--batch-size", type=_positive_integer)
    group.add_argument("--optimizer", metavar="NAME")
    group.add_argument("--learning-rate", type=float, metavar="RATE")


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text.strip() else ()
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


def _positive_number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"found '{text}', wanted a number above 0")
    return value


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"found '{text}', wanted a whole number from 0 to 2^63-1")
    return int(text)


def recipe_of(options: argparse.Namespace) -> tabular.Recipe:
    """The recipe, with the settings that options give.

    Raises
    ------
    ValueError, TypeError
        An unknown name, or a number out of its range.
    """
    recipe = tabular.recipe_named(options.recipe)
    folds = options.cv
    if options.validation_split is not None:
        if not 0 < options.validation_split < 1:
            raise ValueError(
                f"--validation-split: found {options.validation_split}, wanted a share between 0 "
                "and 1"
            )
        if options.cv is not None:
            raise ValueError("--cv: found it together with --validation-split, wanted one of them")
        folds = 1
    optimizer = dc.optimizers.get(options.optimizer or recipe.optimizer)
    if options.learning_rate is not None:
        if options.learning_rate <= 0:
            found = f"{options.learning_rate:g}"
            raise ValueError(f"learning_rate: found {found}, wanted a finite number > 0")
        optimizer.learning_rate = options.learning_rate
    for width in options.hidden or ():
        dc.Dense(width, options.activation or "linear")
    if options.activation is not None:
        dc.activations.get(options.activation)
    if options.cv == 1:
        raise ValueError("--cv: found 1, wanted at least 2 parts")
    return recipe.with_options(
        folds=folds,
        held_out=options.validation_split,
        hidden=options.hidden,
        activation=options.activation,
        dtype=options.dtype,
        epochs=options.epochs,
        batch_size=options.batch_size,
        optimizer=options.optimizer,
        # A schedule is for the recipe's own optimizer and rate.
        schedule="constant" if options.optimizer or options.learning_rate else None,
        learning_rate=options.learning_rate or (optimizer.learning_rate if options.optimizer
                                                else None),
        extras=False if options.hidden == () else None,
    )  # fmt: skip


def _prepared(options: argparse.Namespace) -> tuple[tabular.Recipe, Any, tabular.Table | None]:
    """The recipe, the problem, and the table of ``--test``; raises for every mistake."""
    # All that can go wrong without the data, before any work is done.
    refuse_same_file(
        ("--save", options.save), ("--plot", options.plot), ("--json", options.json),
        ("DATA", options.data), ("--test", options.test),
    )  # fmt: skip
    for path in (options.save, options.json):
        if path is not None:
            check_writable(path)
    if options.plot is not None:
        require_matplotlib()
        check_picture_path(options.plot)
    if options.threads is not None:
        dc.set_num_threads(options.threads)
    recipe = recipe_of(options)
    table = read(options.data, options)
    classification = is_classification([table.column(n) for n in options.target], options.task)
    problem = tabular.problem_of(
        table,
        options.target,
        task="classification" if classification else "regression",
        ignore=options.ignore,
        categorical=options.categorical,
        weight=options.weight,
        group=options.group,
        class_weight=options.class_weight,
        bend=bool(recipe.hidden),
        bins=recipe.settings(classification).bins,
        dtype=recipe.dtype,
    )
    if options.missing == "error":
        problem.refuse_missing()
    table.release()
    return recipe, problem, None if options.test is None else read(options.test, options)


def run(options: argparse.Namespace) -> int:
    """Train, print, save, draw; with mpiexec, on all its ranks."""
    ranks = launched()
    if ranks is None:
        return _run(options, None)
    # Each rank reads the table and trains a share of the networks; rank 0 prints and saves.
    try:
        if ranks.rank == 0:
            return _run(options, ranks)
        options.plot = options.json = options.save = options.test = None
        options.quiet = True
        with contextlib.redirect_stdout(_Nowhere()):
            return _run(options, ranks)
    except BaseException as error:
        ranks.leave(error)
        if ranks.rank == 0:
            raise
        return 2  # rank 0 says the same


def _run(options: argparse.Namespace, ranks: Group | None) -> int:
    recipe, problem, test = (
        _prepared(options) if ranks is None else ranks.together(lambda: _prepared(options))
    )
    say = (lambda text: None) if options.quiet else _show
    for line in report.describe_problem(problem, options.task is not None):
        say(line)
    parts = len(tabular.parts_of(problem, recipe, options.seed))
    shown = recipe.for_rows(len(problem.x))
    say(report.describe_recipe(shown, parts, problem.classification))
    with ProgressBar(not options.quiet) as bar:
        trained = tabular.fit(
            problem,
            recipe,
            options.seed,
            metric=options.metric,
            time_limit=options.time_limit,
            progress=bar.show,
            comm=None if ranks is None else ranks.given,
        )
    for note in trained.notes:
        say(f"note: {note}")
    if options.save is not None:
        trained.model.save(options.save)
    for line in report.describe_scores(trained, options.metric):
        _show(line)
    tested = None
    if test is not None:
        tested, rows = judge(trained.model, test)
        for line in report.describe_test(tested, options.test, rows):
            _show(line)
    say(f"training took {trained.seconds:.2f} s")
    say(f"model saved to {options.save}")
    if options.json is not None:
        importance = permutation_importance(problem, trained, options.seed)
        _write_json(options.json, report.as_json(problem, trained, test=tested,
                                                 importance=importance))  # fmt: skip
        say(f"report written to {options.json}")
    if options.plot is not None:
        from densecore.tabular.pictures import draw

        draw(options.plot, problem, trained, options.seed)
        say(f"pictures drawn to {options.plot}")
    return 0


def _write_json(path: str, value: Any) -> None:
    with dc.utils.atomic_writer(path) as file:
        file.write(json.dumps(value, indent=1, default=float).encode() + b"\n")


def _show(line: str) -> None:
    # A training is not lost because the reader of the pipe has gone; `main` sees that it has.
    with contextlib.suppress(BrokenPipeError):
        print(line, flush=True)
        return
    sys.stdout = _Nowhere()


class _Nowhere:
    """A standard output that nothing reads any more."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass

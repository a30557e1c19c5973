"""``densecore predict``: a saved model on a table."""

import argparse
import csv
import io
import sys
from typing import Any

from densecore import tabular
from densecore.tabular.preparation import ClassTarget, Surprises
from densecore.utils import atomic_writer, check_writable

from .options import add_table_options, read, refuse_same_file


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "predict",
        help="predict with a saved model",
        description="Predict the target of every row of a table, as CSV. Columns are found by "
        "name; those that the model does not know are ignored.",
    )
    parser.add_argument("model", metavar="MODEL", help="what `densecore train` saved")
    parser.add_argument("data", metavar="DATA", help="the table")
    parser.add_argument("--out", metavar="FILE", help="(default: standard output)")
    parser.add_argument(
        "--probabilities", action="store_true", help="add a column per class with its probability"
    )
    parser.add_argument(
        "--interval",
        type=float,
        metavar="SHARE",
        help="add the ends of an interval that holds the truth so often, for instance 0.9",
    )
    add_table_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict and write."""
    if options.out is not None:
        refuse_same_file(("--out", options.out), ("MODEL", options.model))
        refuse_same_file(("--out", options.out), ("DATA", options.data))
        check_writable(options.out)
    model = tabular.load_table_model(options.model)
    target = model.target
    if options.probabilities and not isinstance(target, ClassTarget):
        raise ValueError("--probabilities: the model is a regression, which has none")
    if options.interval is not None and isinstance(target, ClassTarget):
        raise ValueError("--interval: the model is of classes, wanted --probabilities")
    table = read(options.data, options)
    seen = Surprises()
    means = model.means(table, seen)
    answers = model.answers(means)

    header: list[str]
    columns: list[list[str]]
    if isinstance(target, ClassTarget):
        header = [target.name]
        columns = [[target.classes[label] for label in answers.argmax(axis=1)]]
        if options.probabilities:
            header += [f"probability_{name}" for name in target.classes]
            columns += [[f"{value:.6g}" for value in column] for column in answers.T]
    else:
        header = list(target.names)
        columns = [[f"{value:.9g}" for value in column] for column in answers.T]
        if options.interval is not None:
            ends = model.interval_around(means, options.interval)
            for j, name in enumerate(target.names):
                header += [f"{name}_low", f"{name}_high"]
                columns += [[f"{value:.9g}" for value in end[:, j]] for end in ends]
    for note in table.notes:
        # There are fewer answers than lines, or some that say little.
        if "left out" in note or "count as missing" in note:
            print(f"densecore predict: {options.data}: {note}", file=sys.stderr)
    if seen.counts:
        print(f"densecore predict: {options.data}: {seen.sentence()}", file=sys.stderr)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *zip(*columns, strict=True)])
    if options.out is None:
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
    else:
        with atomic_writer(options.out) as file:
            file.write(text.getvalue().encode())
    return 0

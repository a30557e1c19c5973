"""``densecore predict``: a saved model on a table."""

import argparse
import csv
import io
import sys
from typing import Any

import densecore as dc
from densecore.tabular.preparation import ClassTarget, Preparation
from densecore.tabular.reader import read_table
from densecore.utils import atomic_writer, check_writable

from .options import add_separator, refuse_same_file, separator_of


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
    add_separator(parser)
    parser.set_defaults(run=run)


def load(path: str) -> tuple[dc.Sequential, Preparation]:
    """A model and what it was told of its table.

    Raises
    ------
    ValueError
        The file is damaged, or the model was not trained by this command line.
    """
    model = dc.load_model(path)
    if "table" not in model.metadata:
        raise ValueError(
            f"{path}: the model says nothing of a table, wanted one that `densecore train` saved"
        )
    try:
        preparation = Preparation.from_dict(
            model.metadata["table"], int(model.input_shape[1] or 0), int(model.output_shape[1] or 0)
        )
    except ValueError as error:
        raise ValueError(f"{path}: what the model says of its table is unusable: {error}") from None
    return model, preparation


def run(options: argparse.Namespace) -> int:
    """Predict and write."""
    if options.out is not None:
        refuse_same_file(("--out", options.out), ("MODEL", options.model))
        refuse_same_file(("--out", options.out), ("DATA", options.data))
        check_writable(options.out)
    model, preparation = load(options.model)
    target = preparation.target
    if options.probabilities and not isinstance(target, ClassTarget):
        raise ValueError("--probabilities: the model is a regression, which has none")
    table = read_table(options.data, separator_of(options.separator))
    outputs = model.predict(preparation.transform(table, model.dtype))

    header: list[str]
    rows: list[list[str]]
    if isinstance(target, ClassTarget):
        header = [target.name]
        rows = [[target.classes[label]] for label in outputs.argmax(axis=1)]
        if options.probabilities:
            header += [f"probability_{name}" for name in target.classes]
            for row, probabilities in zip(rows, outputs, strict=True):
                row += [f"{value:.6g}" for value in probabilities]
    else:
        header = target.names
        rows = [[f"{value:.9g}" for value in row] for row in target.restore(outputs)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    if options.out is None:
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
    else:
        with atomic_writer(options.out) as file:
            file.write(text.getvalue().encode())
    return 0

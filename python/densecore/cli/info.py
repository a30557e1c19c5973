"""``densecore info``: what a saved model is."""

import argparse
from typing import Any

import densecore as dc
from densecore.tabular.preparation import ClassTarget, NumericFeature
from densecore.tabular.reader import listed

from .predict import load


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "info", help="show a saved model", description="Show the architecture of a saved model."
    )
    parser.add_argument("model", metavar="MODEL", help="a file that densecore saved")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the architecture, the training and the table."""
    model = dc.load_model(options.model)
    model.summary()
    if model.optimizer is not None and model.loss is not None:
        progress = model.progress
        print(f"trained with {model.optimizer!r} on {model.loss.kind}: "
              f"{progress['epochs']:,} epochs, {progress['steps']:,} steps")  # fmt: skip
    if "table" not in model.metadata:
        return 0
    _, preparation = load(options.model)
    target = preparation.target
    if isinstance(target, ClassTarget):
        print(f"predicts the class '{target.name}': {listed(target.classes)}")
    else:
        print(f"predicts {listed([repr(name) for name in target.names])}")
    numeric = [f.name for f in preparation.features if isinstance(f, NumericFeature)]
    if numeric:
        print(f"from the numbers {listed(numeric)}")
    for feature in preparation.features:
        if not isinstance(feature, NumericFeature):
            print(f"from the categories of '{feature.name}': {listed(feature.categories)}")
    return 0

"""``densecore info``: a summary of a saved model."""

import argparse
from typing import Any

import densecore as dc
from densecore import tabular
from densecore.tabular import report
from densecore.tabular.errors import listed
from densecore.tabular.preparation import ClassTarget


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "info",
        help="show a saved model",
        description="Show a saved model: its architecture, or for a model of a table its card.",
    )
    parser.add_argument("model", metavar="MODEL", help="a file that densecore saved")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the architecture, the training and the table."""
    if tabular.is_table_model(options.model):
        model = tabular.load_table_model(options.model)
        model.ensemble.summary()
        for line in report.describe_card(model):
            print(line)
    else:
        network = dc.load_model(options.model)
        network.summary()
        if network.optimizer is not None and network.loss is not None:
            progress = network.progress
            print(f"trained with {network.optimizer!r} on {network.loss.kind}: "
                  f"{progress['epochs']:,} epochs, {progress['steps']:,} steps")  # fmt: skip
        if "table" not in network.metadata:
            return 0
        model = tabular.load_table_model(options.model)
    _describe_table(model)
    return 0


def _describe_table(model: tabular.TableModel) -> None:
    target = model.target
    if isinstance(target, ClassTarget):
        print(f"predicts the class '{target.name}': {listed(target.classes)}")
    else:
        print(f"predicts {listed([repr(name) for name in target.names])}")
    for feature in model.preparation.features:
        print(f"from '{feature.name}': {feature.describe()}")

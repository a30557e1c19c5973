"""The command line: ``densecore train | predict | info | export | check | bench``.

Every mistake of the user is one line on standard error and exit status 2; no traceback, no file
left half written.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import densecore as dc

from . import bench, check, export, info, predict, train


class _Parser(argparse.ArgumentParser):
    """One line for a mistake, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help lists the options)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _Parser(prog="densecore", description="Dense neural networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"densecore {dc.__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )
    for module in (train, predict, info, export, check, bench):
        module.add_parser(commands)
    options = parser.parse_args(arguments)
    if sys.stdout is None or sys.stderr is None:  # closed: `>&-`, or a program without a console
        if options.command == "predict" and sys.stdout is None and options.out is None:
            print("densecore predict: found no standard output, wanted --out FILE", file=sys.stderr)
            return 2
        sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - until the process ends
        sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if options.command != "predict" and hasattr(sys.stdout, "reconfigure"):
        # A terminal that has no "²" shows "?", and the training is not lost for it. Predictions are
        # data: they are written as they are or not at all.
        sys.stdout.reconfigure(errors="replace")
    try:
        status = int(options.run(options))
        sys.stdout.flush()  # a closed pipe shows itself here, not at exit
        return status
    except (ValueError, TypeError, OSError, ImportError, RuntimeError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):
            # The reader of our output has gone; Python would complain again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        print(f"densecore {options.command}: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"densecore {options.command}: interrupted, nothing was saved", file=sys.stderr)
        return 130


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return " ".join(str(error).split())

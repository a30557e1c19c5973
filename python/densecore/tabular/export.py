"""Models of tables for other programs: ONNX files and C headers that take columns by name."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._base.files import StrPath, atomic_writer
from .._base.lazy import imports
from ..export import format_of
from ..export.onnx_graph import IR_VERSION, OPSET

if TYPE_CHECKING:
    from .model import TableModel


def export(
    model: "TableModel", path: StrPath, *, int8: bool = False,
    classes: Sequence[Any] | None = None, order: Sequence[int] | None = None,
) -> str:  # fmt: skip
    """Write a model's inference, the preparation of its columns included.

    Parameters
    ----------
    model : TableModel
    path : str or path-like
        Its ending says the format: ``.onnx`` or ``.h``. The names in a header begin as the file's.
    int8 : bool, default False
        As of `densecore.export.export`.
    classes : sequence, optional
        Labels in the order of the probabilities; by default the target's texts.
    order : sequence of int, optional
        The network's output of each of them.

    Returns
    -------
    str
        A line that says what was written.

    Raises
    ------
    ValueError
        The ending is unknown, or the format cannot say a column or a layer; the message names it.
        Nothing is written then.
    OSError
        The file cannot be written.
    """
    if format_of(path, int8) == ".onnx":
        with imports:
            from . import onnx_file

        content = onnx_file.to_bytes(model, classes, order)
        cost = f"ONNX opset {OPSET}, IR version {IR_VERSION}"
    else:
        with imports:
            from . import c_file

        name = os.path.splitext(os.path.basename(os.fspath(path)))[0]
        text, sizes = c_file.to_text(model, name, int8=int8, classes=classes, order=order)
        content, cost = text.encode(), f"C99, {sizes}"
    with atomic_writer(path) as file:
        file.write(content)
    return f"{os.fspath(path)}: {cost}"

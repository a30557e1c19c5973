"""Networks for other programs: ONNX files, C headers, PyTorch modules.

Every exporter starts from a `Program`, the inference of a network as a list of array operations.
What a format cannot say is refused before anything is written, with the layer's name.
"""

import json
import os
from typing import TYPE_CHECKING

from .._base import checks, core
from .._base.files import StrPath
from .._base.lazy import imports
from .program import Program
from .program_of_model import program_of

if TYPE_CHECKING:
    from ..models.compiled import Compiled

__all__ = ["FORMATS", "Program", "export", "format_of", "program_of"]

#: What `export` writes, by the ending of the file's name.
FORMATS = {".onnx": "an ONNX file", ".h": "a C99 header"}


def format_of(path: StrPath, int8: bool) -> str:
    """The ending of a file's name, which says the format.

    Raises
    ------
    ValueError
        It is unknown, or `int8` is not for it.
    """
    ending = os.path.splitext(checks.path("path", path))[1].lower()
    if ending not in FORMATS:
        known = ", ".join(f"{each} ({what})" for each, what in FORMATS.items())
        raise ValueError(f"export: found a name that ends in {ending!r}, wanted one of: {known}")
    if checks.flag("int8", int8) and ending != ".h":
        raise ValueError(f"export: found int8=True for {ending}, wanted it for .h only")
    return ending


def export(model: "Compiled", path: StrPath, *, int8: bool = False) -> str:
    """Write a model's inference to a file for other programs.

    Parameters
    ----------
    model : Sequential or Model
        Built: with parameters.
    path : str or path-like
        Its ending says the format: ``.onnx`` or ``.h``.
    int8 : bool, default False
        Of a C header: kernels as whole numbers of 8 bits with a factor for each unit; a quarter of
        the constants, for a relative error of up to 1/254 of a unit's largest weight in each
        weight.

    Returns
    -------
    str
        A line that says what was written, and for a C header what it costs where it runs.

    Raises
    ------
    RuntimeError
        The model has no parameters yet.
    ValueError
        The ending is unknown, or the format cannot say a layer; the message names it. Nothing is
        written then.
    OSError
        The file cannot be written.
    """
    ending = format_of(path, int8)
    program = program_of(model)
    if ending == ".onnx":
        with imports:
            from . import onnx, onnx_graph

        metadata = {"densecore_version": core.__version__, "layers": repr(model)}
        for key, value in (getattr(model, "metadata", None) or {}).items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            metadata.setdefault(str(key), text)
        onnx.write(program, path, metadata)
        what = f"ONNX opset {onnx_graph.OPSET}, IR version {onnx_graph.IR_VERSION}"
        return f"{os.fspath(path)}: {what}"
    with imports:
        from . import c_header

    comments = [f"Written by densecore {core.__version__}.", repr(model)]
    cost = c_header.write(program, path, comments, int8=int8)
    return f"{os.fspath(path)}: C99, {cost}"

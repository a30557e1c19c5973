"""A network as one C99 header: constants and a function, no allocation, no library but math.h.

The function computes one row with the bits of the portable level (``DENSECORE_ISA=scalar`` on
x86-64): every output is one chain of multiplications and additions in increasing k.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .._base.files import StrPath, atomic_writer
from .c_functions import definitions
from .c_names import identifier
from .c_network import arguments_of, function_of
from .c_parts import Parts
from .program import Program

__all__ = ["Parts", "Sizes", "function_of", "identifier", "text_of", "to_text", "write"]


@dataclass(frozen=True)
class Sizes:
    """The costs of a header where it runs.

    Attributes
    ----------
    constants : int
        Bytes of weights, which go into read-only memory.
    stack : int
        Bytes of buffers on the stack while a row is computed.
    """

    constants: int
    stack: int

    def __str__(self) -> str:
        return f"{self.constants:,} bytes of constants, {self.stack:,} bytes of stack"


def _lines(
    parts: Parts, head: Sequence[str], usage: Sequence[str], defines: Sequence[str],
    body: Sequence[str], sizes: Sizes,
) -> Iterator[str]:  # fmt: skip
    guard = f"{parts.prefix.upper()}H"
    first, *rest = (line.replace("*/", "* /") for line in head)
    yield f"/* {first}"
    yield from (f"   {line}" for line in rest)
    yield f"   {sizes}."
    yield ""
    yield from (f"   {line}" for line in usage)
    yield ""
    yield "   Compile without contraction (-std=c99, or -ffp-contract=off) for these very bits. */"
    yield f"#ifndef {guard}"
    yield f"#define {guard}"
    yield ""
    yield "#include <math.h>"
    yield "#include <stdint.h>"
    yield "#include <string.h>"
    yield ""
    yield from defines
    yield ""
    yield "#if defined(__clang__)"
    yield "#pragma STDC FP_CONTRACT OFF"
    yield "#endif"
    yield ""
    yield from parts.constants
    yield ""
    yield definitions(parts.functions, parts.prefix, parts.dtype)
    yield ""
    yield from body
    yield ""
    yield f"#endif /* {guard} */"


def text_of(
    parts: Parts, head: Sequence[str], usage: Sequence[str], defines: Sequence[str],
    body: Sequence[str],
) -> tuple[str, Sizes]:  # fmt: skip
    """A whole header, and its costs.

    Parameters
    ----------
    parts : Parts
        What the functions of the body need.
    head, usage : sequence of str
        Lines for the comment at the file's beginning: where it comes from, and how it is called.
    defines, body : sequence of str
        Lines of C.
    """
    sizes = Sizes(parts.bytes, parts.stack)
    return "\n".join(_lines(parts, head, usage, defines, body, sizes)) + "\n", sizes


def to_text(program: Program, comments: list[str], *, int8: bool = False) -> tuple[str, Sizes]:
    """A program as the text of a C header, and its costs.

    Parameters
    ----------
    comments : list of str
        Lines for the head of the file.
    int8 : bool, default False
        Kernels as whole numbers of 8 bits with a factor for each unit: a quarter of the constants,
        and a relative error of up to 1/254 of a unit's largest weight in each weight.

    Raises
    ------
    ValueError
        A layer that C cannot express, or weights that are not finite; the message names it.
    """
    prefix = identifier(program.name) + "_"
    parts = Parts(prefix, program.dtype)
    body = function_of(program, "predict", parts, int8=int8)
    upper, arguments = prefix.upper(), arguments_of(program)
    ports = [*program.takes, *program.gives]
    words = ["INPUTS"] * len(program.takes) + ["OUTPUTS"] * len(program.gives)
    macros = [  # x_NAME and y_NAME without their first two characters
        f"{upper}{word}" + ("" if len(argument) == 1 else f"_{argument[2:].upper()}")
        for word, argument in zip(words, arguments, strict=True)
    ]
    declared = ", ".join(
        f"{argument}[{size}]" for argument, size in zip(arguments, macros, strict=True)
    )
    lengths = ", ".join(
        f"{argument}: {'' if word == 'INPUTS' else 'room for '}{port.width}"
        + (" numbers" if argument == arguments[0] else "")
        for argument, port, word in zip(arguments, ports, words, strict=True)
    )
    return text_of(
        parts,
        comments,
        [f"{parts.type} {declared};", f"{prefix}predict({', '.join(arguments)});"],
        [f"#define {size} {port.width}" for size, port in zip(macros, ports, strict=True)],
        [f"/* {lengths}. */", *body],
    )


def write(program: Program, path: StrPath, comments: list[str], *, int8: bool = False) -> Sizes:
    """Write a C header, whole or not at all; returns its costs.

    Raises
    ------
    ValueError
        As `to_text`. Nothing is written then.
    OSError
        The file cannot be written.
    """
    text, cost = to_text(program, comments, int8=int8)
    with atomic_writer(path) as file:
        file.write(text.encode())
    return cost

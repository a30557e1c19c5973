"""A program as a C function: its buffers, few by how long a value is needed, and its statements."""

from .c_names import identifier
from .c_parts import Parts
from .c_statements import Statements
from .program import (
    ColumnNormalization,
    Element,
    Function,
    Merge,
    Operation,
    Program,
    RowNormalization,
)

_LARGEST = 2**20  # features: a row of more is no work for a stack of a microcontroller


def _in_place(operation: Operation, program: Program) -> bool:
    """Whether a value's buffer may be that of an input that nothing needs later: not where elements
    are taken at other places than they are written."""
    if isinstance(operation, Merge):
        same = all(program.width(value) == operation.width for value in operation.inputs)
        return same and operation.kind != "concatenate"
    return isinstance(operation, ColumnNormalization | Element | Function | RowNormalization)


def _buffers(program: Program, arguments: list[str]) -> tuple[list[str], dict[str, int]]:
    """Where each value lies, and the sizes of the buffers: few, by how long a value is needed.

    `arguments` are the names of the arrays of inputs, then of outputs. A value that is an output
    lies where that is wanted; one that is several outputs, in the first of them.
    """
    first = len(program.takes)
    last_use = [0] * program.values
    for place, operation in enumerate(program.operations):
        for value in operation.inputs:
            last_use[value] = place
    homes, sizes = arguments[:first], dict[str, int]()
    given: dict[int, str] = {}
    for port, argument in zip(program.gives, arguments[first:], strict=True):
        given.setdefault(port.value, argument)
    for place, operation in enumerate(program.operations):
        if first + place in given:
            homes.append(given[first + place])
            continue
        in_place = _in_place(operation, program)
        taken = {
            homes[value]
            for value in range(first + place)
            if last_use[value] > place or (last_use[value] == place and not in_place)
        }
        number = 0
        while f"b{number}" in taken:
            number += 1
        home = f"b{number}"
        sizes[home] = max(sizes.get(home, 0), operation.width)
        homes.append(home)
    return homes, sizes


def arguments_of(program: Program) -> list[str]:
    """The names of the arrays of inputs, then of outputs: ``x`` and ``y``, or with the names."""
    found: list[str] = []
    for letter, ports in (("x", program.takes), ("y", program.gives)):
        for port in ports:
            name = letter if len(ports) == 1 else f"{letter}_{identifier(port.name, (), 'value')}"
            found.append(identifier(name, found))
    return found


def function_of(program: Program, name: str, parts: Parts, *, int8: bool) -> list[str]:
    """The lines of ``static inline void NAME(const NUM *x, NUM *y)``, which computes a row; with an
    array for each input and each output.

    Raises
    ------
    ValueError
        A layer that C cannot express, or weights that are not finite; the message names it.
    """
    if max([program.inputs, *(each.width for each in program.operations)]) > _LARGEST:
        raise ValueError(f"export: found a layer of more than {_LARGEST:,} features")
    statements = Statements(parts, int8)
    arguments = arguments_of(program)
    first = len(program.takes)
    homes, sizes = _buffers(program, arguments)
    for place, operation in enumerate(program.operations):
        statements.widths = [program.width(value) for value in operation.inputs]
        home = homes[first + place]
        statements.operation(operation, [homes[value] for value in operation.inputs], home)
    for port, argument in zip(program.gives, arguments[first:], strict=True):
        if homes[port.value] != argument:
            copy = f"memcpy({argument}, {homes[port.value]}, {port.width} * sizeof *{argument});"
            statements.lines.append(copy)
    parts.stack = max(parts.stack, parts.bytes_of(sum(sizes.values())))
    kind = parts.type
    given = [f"const {kind} *{argument}" for argument in arguments[:first]]
    given += [f"{kind} *{argument}" for argument in arguments[first:]]
    lines = [f"static inline void {parts.prefix}{name}({', '.join(given)}) {{"]
    lines += [f"  {kind} {buffer}[{size}];" for buffer, size in sizes.items()]
    if any("i = 0" in statement for statement in statements.lines):
        lines.append("  int i;")
    lines += [f"  {statement}" for statement in statements.lines]
    return [*lines, "}"]

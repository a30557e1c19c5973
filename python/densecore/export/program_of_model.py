"""A model's inference as operations on arrays: the `Program` that files are written from."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import layers
from ..layers.form import Form
from ..layers.lowering import Row
from .calls import Calls, calls_of, calls_within, check_built, name_of
from .layer_forms import form_of
from .layer_table import OPERATIONS
from .program import Lookup, Merge, Operation, Port, Program

if TYPE_CHECKING:
    from ..models.compiled import Compiled


def append(
    layer: layers.Layer,
    program: Program,
    values: Sequence[int],
    rows: Sequence[Row],
    form: Form | None = None,
) -> list[int]:
    """Append a layer's operations to a program; returns the numbers of the values that it makes.

    Parameters
    ----------
    values : sequence of int
        That the layer takes.
    rows : sequence of tuple of int
        The shapes of their rows.
    form : Form, optional
        How a custom layer is called.

    Raises
    ------
    ValueError
        The layer has no form outside this library; the message names it.
    """
    inner = calls_within(layer, rows, form)
    if inner is not None:
        return _append_calls(inner, program, values)
    if isinstance(layer, layers.Residual):
        return [_append_residual(layer, program, values, rows)]
    program.taken, program.rows = list(values), list(rows)
    form_of(layer, OPERATIONS)(layer, program)
    return [program.last]


def _append_residual(
    layer: layers.Residual, program: Program, values: Sequence[int], rows: Sequence[Row]
) -> int:
    (start,) = values
    made = list(values)
    for each in layer._layers:
        made = append(each, program, made, rows)
        rows = each._output_rows(list(rows))
    return program.add(Merge(name_of(layer), (made[0], start), program.width(start), "add"))


def _append_calls(calls: Calls, program: Program, values: Sequence[int]) -> list[int]:
    """Append calls of layers; the numbers of the values that they make."""
    numbers = dict(zip(calls.inputs, values, strict=True))
    for step in calls.steps:
        taken = [numbers[value] for value in step.inputs]
        rows = [calls.rows[value] for value in step.inputs]
        made = append(step.layer, program, taken, rows, step.form)
        numbers |= dict(zip(step.outputs, made, strict=True))
    return [numbers[value] for value in calls.outputs]


def _is_text(value: int, operations: Sequence[Operation]) -> bool:
    """Whether an input holds texts, for a look-up of texts."""
    users = [each for each in operations if value in each.inputs]
    of_texts = [isinstance(each, Lookup) and each.of_texts for each in users]
    for user, text in zip(users, of_texts, strict=True):
        if any(of_texts) and not text:
            raise ValueError(f"layer {user.layer}: found texts, wanted numbers")
    return any(of_texts)


def program_of(model: "Compiled") -> Program:
    """The inference of a model as operations on arrays.

    Parameters
    ----------
    model : Sequential or Model
        Built: with parameters.

    Raises
    ------
    RuntimeError
        The model has no parameters yet.
    ValueError
        A layer has no form outside this library; the message names it.
    """
    check_built("export", model)
    calls = calls_of(model)
    takes = [
        Port(name, calls.rows[value], value)
        for name, value in zip(calls.input_names, calls.inputs, strict=True)
    ]
    program = Program(model.name, model.dtype, takes)
    made = _append_calls(calls, program, calls.inputs)
    program.takes = [
        replace(port, is_text=_is_text(port.value, program.operations)) for port in takes
    ]
    program.gives = [
        Port(name, calls.rows[value], number)
        for name, value, number in zip(calls.output_names, calls.outputs, made, strict=True)
    ]
    return program

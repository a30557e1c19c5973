"""A user's `call`, applied to symbols: a graph, which the core computes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._base.lazy import imports
from .._data.structures import leaves, mapped, packed
from .base import Layer
from .batch_numbers import BatchNumber, Term
from .dropout import Dropout
from .form import Form
from .graph import lower, trace
from .lowering import Plan, Source
from .noise import AlphaDropout, GaussianDropout, GaussianNoise
from .symbols import WHEN_TRAINED, CallError, ConditionError, Node, Symbol, WhenTrained
from .weight import DESCRIBED, one

#: Layers that do nothing outside training.
_IN_TRAINING = (Dropout, GaussianNoise, GaussianDropout, AlphaDropout)


class Body:
    """The graph that `call` makes of inputs of given shapes.

    Attributes
    ----------
    inputs, outputs : list of Symbol
    nodes : list of Node
        Also those that only what is added to the loss needs.
    structure : object
        That of what `call` returns.
    form : Form
    added : list of Term
        To the loss.
    """

    def __init__(
        self, inputs: list[Symbol], result: Any, form: Form, added: BatchNumber, unit: Symbol | None
    ) -> None:
        result = mapped(_as_symbol, result)
        self.inputs, self.outputs, self.form = inputs, leaves(result), form
        wrong = [output for output in self.outputs if not isinstance(output, Symbol)]
        if wrong or not self.outputs:
            found = type(wrong[0]).__name__ if wrong else f"an empty {type(result).__name__}"
            raise CallError(
                f"found {found} returned by call, wanted what layers, or functions of symbols, "
                "return"
            )
        self.added = list(added.terms)
        if added.constant and unit is not None:
            self.added.append(Term(unit, added.constant, False))
        ends = [*self.outputs, *(term.symbol for term in self.added)]
        self.nodes: list[Node] = trace(_used(ends, inputs), ends, as_called=True).nodes
        self.structure = mapped(lambda _: 0, result)

    @property
    def layers(self) -> list[Layer]:
        """The layers of the graph, each once."""
        return list(dict.fromkeys(node.layer for node in self.nodes))

    def lower(self, plan: Plan, sources: Sequence[Source]) -> list[Source]:
        """Append the graph to a plan; returns where the outputs are."""
        ends = [*self.outputs, *(term.symbol for term in self.added)]
        found = lower(plan, self.nodes, self.inputs, ends, sources)
        count = len(self.outputs)
        for term, source in zip(self.added, found[count:], strict=True):
            plan.add_loss(source, term.factor, term.whole)
        return found[:count]


def _as_symbol(output: Any) -> Any:
    """A number of the batch, which a layer that adds it to the loss may return, for all rows."""
    if isinstance(output, BatchNumber):
        return Symbol.operators["computed"](np.multiply, (output, 1.0), {})
    return output


def _used(outputs: list[Symbol], inputs: list[Symbol]) -> list[Symbol]:
    """The inputs that the outputs need."""
    reached: set[int] = set()
    pending = list(outputs)
    while pending:
        symbol = pending.pop()
        if id(symbol) not in reached:
            reached.add(id(symbol))
            pending += [] if symbol._node is None else symbol._node.inputs
    return [symbol for symbol in inputs if id(symbol) in reached]


@contextmanager
def anchored(anchor: Symbol) -> Iterator[None]:
    """Within the block layers, weights and kernels make a graph, for rows of the anchor."""
    DESCRIBED.anchors.append((anchor, []))
    try:
        yield
    finally:
        DESCRIBED.anchors.pop()


def described(
    owner: Any, call: Callable[..., Any], symbols: list[Symbol], form: Form, own_weights: bool
) -> Body | None:
    """Call a user's `call` with symbols.

    Parameters
    ----------
    owner : OwnLayer or model
        Whose `call` it is; its `add_loss` adds to ``_added``.
    call : callable
    symbols : list of Symbol
    form : Form
    own_weights : bool
        Whether the owner has weights or layers.

    Returns
    -------
    Body or None
        None: a function of single elements that symbols do not know, to be run in Python.

    Raises
    ------
    CallError
        A condition on `training` whose branches are different, or something else that no graph
        holds.
    """
    if any(owner is layer for layer in DESCRIBED.layers):
        raise CallError(
            f"class {type(owner).__name__}: found a call of the layer within its own call, wanted "
            "other layers there"
        )
    given = packed(form.structure, list(symbols))
    with imports:
        import inspect

    asks = "training" in inspect.signature(call).parameters

    def body(training: WhenTrained) -> Body | None:
        named = dict(form.constants)
        if asks:
            named["training"] = training
        vars(owner)["_added"] = BatchNumber([])
        DESCRIBED.layers.append(owner)
        try:
            with anchored(symbols[0]):
                result = call(*given, **named) if form.several else call(given, **named)
                found = vars(owner)["_added"]
                unit = one() if found.constant else None
                return Body(symbols, result, form, found, unit)
        except CallError:
            raise
        except TypeError:
            if own_weights or len(symbols) > 1 or form.constants:
                raise
            return None
        finally:
            DESCRIBED.layers.pop()
            vars(owner).pop("_added", None)

    try:
        return body(WHEN_TRAINED)
    except ConditionError:
        trained, other = body(WhenTrained(True)), body(WhenTrained(False))
    numbers: dict[Any, int] = {}
    found = [[] if one is None else _identity(one, numbers) for one in (trained, other)]
    if found[0] and found[0] == found[1]:
        return trained
    combined = None
    if trained is not None and other is not None:
        combined = _by_flag(owner, symbols, form, trained, other)
    if combined is None:
        raise CallError(
            f"class {type(owner).__name__}: call: found a condition on training whose branches "
            "differ by more than layers that do nothing outside training (Dropout, GaussianNoise), "
            "wanted one graph for both, or branches without BatchNormalization"
        )
    return combined


def _by_flag(
    owner: Any, symbols: list[Symbol], form: Form, trained: Body, other: Body
) -> Body | None:
    """A graph that computes both branches and takes one of them: other + flag · (trained - other),
    with a flag that is 1 in training. None: of branches that are unlike, or whose layers look at
    how often they are computed."""
    if [s.row for s in trained.outputs] != [s.row for s in other.outputs]:
        return None
    if any(layer.state_names for body in (trained, other) for layer in body.layers):
        return None
    DESCRIBED.layers.append(owner)
    try:
        with anchored(symbols[0]):
            flag: Any = Symbol.operators["in training"]()(one())
            pairs = zip(trained.outputs, other.outputs, strict=True)
            outputs = [b + flag * (a - b) for a, b in pairs]
            terms = [Term(t.symbol * flag, t.factor, t.whole) for t in trained.added]
            terms += [Term(t.symbol * (1 - flag), t.factor, t.whole) for t in other.added]
            result = packed(trained.structure, outputs)
            return Body(symbols, result, form, BatchNumber(terms), None)
    finally:
        DESCRIBED.layers.pop()


def _identity(body: Body, numbers: dict[Any, int]) -> list[int]:
    """Numbers of the outputs; equal ones for graphs that compute the same outside training."""

    def number(key: Any) -> int:
        return numbers.setdefault(key, len(numbers))

    known = {id(symbol): number(("input", place)) for place, symbol in enumerate(body.inputs)}
    for node in body.nodes:
        taken = tuple(known[id(symbol)] for symbol in node.inputs)
        if isinstance(node.layer, _IN_TRAINING):
            known[id(node.outputs[0])] = taken[0]
            continue
        form = None if node.form is None else node.form.key
        for place, symbol in enumerate(node.outputs):
            known[id(symbol)] = number((_kind(node.layer), form, taken, place))
    return [known[id(output)] for output in body.outputs]


def _kind(layer: Layer) -> Any:
    """Equal for layers that compute the same; those with weights or parts are themselves."""
    weighted = (layer.parameter_names or layer.state_names) and layer._shows_weights
    if weighted or layer._is_own or layer._inner_model is not None or len([*layer._walk()]) > 1:
        return id(layer)
    return str({key: value for key, value in layer.get_config().items() if key != "name"})

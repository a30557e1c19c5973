"""Optimizers of PyTorch and their states, both ways, where both libraries have the same rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import optimizers
from .._base.dtypes import Array
from .trained_slices import trained_slices

if TYPE_CHECKING:
    from ..models.compiled import Compiled


@dataclass(frozen=True)
class Rule:
    """An update rule that both have.

    Attributes
    ----------
    theirs : str
        The class in ``torch.optim``.
    ours : function (group) -> Optimizer
        Of the settings of a group of parameters.
    settings : function (optimizer) -> dict
        PyTorch's arguments.
    states : dict of str to (str, function (learning rate) -> float)
        Our array: PyTorch's, and what theirs is multiplied with.
    refused : dict
        Settings that our rule has not, and the values that they must have.
    """

    theirs: str
    ours: Callable[[Mapping[str, Any]], optimizers.Optimizer]
    settings: Callable[[Any], dict[str, Any]]
    states: Mapping[str, tuple[str, Callable[[float], float]]]
    refused: Mapping[str, Any]


def _same(rate: float) -> float:
    return 1.0


_MOMENTS = {
    "m": ("exp_avg", _same), "v": ("exp_avg_sq", _same), "v_max": ("max_exp_avg_sq", _same),
}  # fmt: skip


def _adam(group: Mapping[str, Any], kind: type[optimizers.Adam], **more: Any) -> Any:
    first, second = group["betas"]
    return kind(
        float(group["lr"]), beta_1=float(first), beta_2=float(second), epsilon=group["eps"],
        amsgrad=group["amsgrad"], **more,
    )  # fmt: skip


def _adam_settings(o: Any) -> dict[str, Any]:
    return {"betas": (o.beta_1, o.beta_2), "eps": o.epsilon, "amsgrad": o.amsgrad}


# Where PyTorch adds epsilon to a root, and our rule to what the root is taken of, its square makes
# the same of a state that is 0, and of a large one.
RULES: dict[type[optimizers.Optimizer], Rule] = {
    optimizers.SGD: Rule(
        "SGD",
        lambda g: optimizers.SGD(
            float(g["lr"]), momentum=g["momentum"], nesterov=g["nesterov"]
        ),
        lambda o: {"momentum": o.momentum, "nesterov": o.nesterov},
        {"velocity": ("momentum_buffer", lambda rate: -rate)},
        {"dampening": 0, "weight_decay": 0, "maximize": False},
    ),
    optimizers.Adam: Rule(
        "Adam",
        lambda g: _adam(g, optimizers.Adam),
        _adam_settings,
        _MOMENTS,
        {"weight_decay": 0, "maximize": False},
    ),
    optimizers.AdamW: Rule(
        "AdamW",
        lambda g: _adam(g, optimizers.AdamW, weight_decay=g["weight_decay"]),
        lambda o: {**_adam_settings(o), "weight_decay": o.weight_decay},
        _MOMENTS,
        {"maximize": False},
    ),
    optimizers.RMSprop: Rule(
        "RMSprop",
        lambda g: optimizers.RMSprop(
            float(g["lr"]), rho=g["alpha"], momentum=g["momentum"], epsilon=g["eps"] ** 2,
            centered=g["centered"],
        ),
        lambda o: {
            "alpha": o.rho, "momentum": o.momentum, "eps": o.epsilon**0.5, "centered": o.centered
        },
        {
            "v": ("square_avg", _same), "mean": ("grad_avg", _same),
            "velocity": ("momentum_buffer", lambda rate: rate),
        },
        {"weight_decay": 0, "maximize": False},
    ),
    optimizers.Adagrad: Rule(
        "Adagrad",
        lambda g: optimizers.Adagrad(
            float(g["lr"]), initial_accumulator_value=g["initial_accumulator_value"],
            epsilon=g["eps"] ** 2,
        ),
        lambda o: {
            "initial_accumulator_value": o.initial_accumulator_value, "eps": o.epsilon**0.5
        },
        {"sum": ("sum", _same)},
        {"lr_decay": 0, "weight_decay": 0, "maximize": False},
    ),
}  # fmt: skip


def _turned(array: Array, is_kernel: bool) -> Array:
    """PyTorch's kernels are (units, inputs), ours (inputs, units)."""
    return array.T if is_kernel else array


def _place(kind: type) -> str:
    return f"optimizer ({kind.__name__})"


def take(model: "Compiled", module: Any, optimizer: Any, loss: Any, metrics: Any) -> None:
    """Compile a model with a PyTorch optimizer's rule, and take its state.

    Raises
    ------
    ValueError
        There is no such rule here, it has several groups of parameters, or does not train all of
        the module's; nothing has been changed then.
    """
    name = type(optimizer).__name__
    found = [rule for rule in RULES.values() if rule.theirs == name]
    if not found:
        known = ", ".join(rule.theirs for rule in RULES.values())
        raise ValueError(f"optimizer: found {name}, wanted one of: {known}")
    rule = found[0]
    if len(optimizer.param_groups) != 1:
        raise ValueError(
            f"optimizer ({name}): found {len(optimizer.param_groups)} groups of parameters, "
            "wanted one"
        )
    group = optimizer.param_groups[0]
    for key, wanted in rule.refused.items():
        if group.get(key, wanted) != wanted:
            raise ValueError(
                f"optimizer ({name}): {key}: found {group[key]}, wanted {wanted}: our rule has none"
            )
    parameters = [each for each in module.parameters() if each.requires_grad]
    if {id(each) for each in group["params"]} != {id(each) for each in parameters}:
        raise ValueError(
            f"optimizer ({name}): found other parameters than those of the module that take a "
            "gradient"
        )
    places = trained_slices(model)
    if len(places) != len(parameters):
        raise ValueError(
            f"optimizer ({name}): found {len(parameters)} arrays that are trained, wanted "
            f"{len(places)} as in the model"
        )
    model.compile(rule.ours(group), loss, metrics=metrics)
    states, steps = model._network.optimizer_states(), 0
    for (place, shape, kernel), parameter in zip(places, parameters, strict=True):
        state = optimizer.state.get(parameter, {})
        steps = max(steps, int(state.get("step", 0)))
        for key, (theirs, factor) in rule.states.items():
            tensor = state.get(theirs)
            if key in states and tensor is not None:
                array = _turned(tensor.detach().cpu().numpy(), kernel).reshape(shape)
                states[key][place] = (factor(float(group["lr"])) * array).ravel()
    model._network.steps = steps


def give(model: "Compiled", module: Any, torch: Any) -> Any:
    """PyTorch's optimizer of a compiled model, with its state, for a module's parameters.

    Raises
    ------
    RuntimeError
        The model is not compiled.
    ValueError
        PyTorch has no such rule, or none with these settings.
    """
    optimizer = model.optimizer
    if optimizer is None:
        raise RuntimeError("to_torch: found a model that is not compiled, wanted an optimizer")
    rule = RULES.get(type(optimizer))
    if rule is None:
        known = ", ".join(kind.__name__ for kind in RULES)
        raise ValueError(
            f"to_torch: optimizer: found {type(optimizer).__name__}, wanted one of: {known}"
        )
    config = optimizer.get_config()
    unknown = {
        key: value
        for key, value in config.items()
        if key in _WITHOUT_FORM and value not in (None, False, 0)
        and not (key == "weight_decay" and rule.theirs == "AdamW")
    }  # fmt: skip
    if unknown:
        raise ValueError(f"to_torch: optimizer: found {unknown}, which PyTorch's rule has not")
    parameters = [each for each in module.parameters() if each.requires_grad]
    rate = float(optimizer.learning_rate)
    made = getattr(torch.optim, rule.theirs)(parameters, lr=rate, **rule.settings(optimizer))
    steps, states = model._network.steps, model._network.optimizer_states()
    if not steps:
        return made
    places = trained_slices(model)
    for (place, shape, kernel), parameter in zip(places, parameters, strict=True):
        state: dict[str, Any] = {}
        if rule.theirs != "SGD":
            state["step"] = torch.tensor(float(steps))
        for key, (theirs, factor) in rule.states.items():
            if key in states:
                array = _turned(np.asarray(states[key][place]).reshape(shape), kernel)
                array = array.reshape(parameter.shape)
                copied = torch.from_numpy(np.ascontiguousarray(array / factor(rate)))
                state[theirs] = copied.to(parameter.dtype)
        made.state[parameter] = state
    return made


_WITHOUT_FORM = (
    "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema",
    "gradient_accumulation_steps", "epsilon_hat",
)  # fmt: skip

"""Every argument of every public call, given what it cannot be: refused in one clear sentence.

The signatures are read; a new class, function or argument is tried without being listed here.
"""

import contextlib
import decimal
import inspect
import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import compiled, normal

X, Y = normal(6, 3, 1)

# What numbers, names, switches, paths and arrays are not, or only nearly are.
STRANGE: dict[str, Any] = {
    "True": True,
    "numpy.True": np.True_,
    "None": None,
    "'3'": "3",
    "''": "",
    "word": "nonsense",
    "bytes": b"1",
    "2^63": 2**63,
    "-1": -1,
    "400 digits": 10**400,
    "5000 digits": 10**5000,  # Python does not even show them
    "nan": float("nan"),
    "-inf": -float("inf"),
    "1.5": 1.5,
    "float32": np.float32(0.5),
    "uint64": np.uint64(2**64 - 1),
    "array": np.array(2),
    "vector": np.array([1.0]),
    "[]": [],
    "{}": {},
    "object": object(),
    "1j": 1j,
    "fraction": Fraction(1, 2),
    "signalling nan": decimal.Decimal("sNaN"),
    "len": len,
    "int": int,
    "NaT": np.datetime64("NaT"),
    "surrogate": "\ud800",
    "NUL": "a\0b",
    "set": {1},
    "...": ...,
}
MODULES = [
    "activations", "initializers", "regularizers", "losses", "schedules", "metrics", "optimizers",
    "layers", "callbacks", "solvers", "utils", "random", "export", "models", "distributions", "rl",
]  # fmt: skip
# Called by other parts of the package with what has been checked, or without arguments to try.
NOT_TRIED = {
    "callbacks.TensorBoard",  # needs another library
    "export.program_of",
    "layers.assign",
    "losses.LossFunction",
    "metrics.config_of",
    "models.Model",
    "models.model_from_json",
    "regularizers.factors",
    "solvers.check_layers",
    "utils.atomic_writer",
}
# Arguments that have no default, by their names.
USUAL: dict[str, Any] = {
    "units": 3,
    "rate": 0.1,
    "shape": (3,),
    "initial_learning_rate": 0.1,
    "folds": 2,
    "max_learning_rate": 0.1,
    "total_steps": 10,
    "every": 5,
    "decay_steps": 10,
    "decay_rate": 0.9,
    "first_decay_steps": 5,
    "boundaries": [5],
    "values": [0.1, 0.2],
    "schedule": lambda epoch: 0.1,
    "seconds": 5.0,
    "fn": lambda y_true, y_pred: 0.0,
    "rates": [0.1, 0.2],
    "num_classes": 3,
    "target_class_ids": [0],
    "recall": 0.5,
    "precision": 0.5,
    "sensitivity": 0.5,
    "specificity": 0.5,
    "scale": 0.5,
    "negative_slope": 0.1,
    "value": 0.5,
    "stddev": 0.1,
    "minval": 0,
    "maxval": 3,
    "num_samples": 2,
    "counts": 3,
    "probabilities": 0.5,
    "logits": X,
    "seed": 1,
    "x": X,
    "y": Y,
    "z": X,
    "a": X,
    "y_true": Y,
    "y_pred": Y,
    "W": np.ones((2, 3), "f"),
    "parameter": X.copy(),
    "gradient": X.copy(),
    "m": X * 0,
    "v": X * X,
    "step": 1,
    "learning_rate": 0.1,
    "data": X,
    "targets": None,
    "sequence_length": 2,
    "direction": X,
    "tangent": X,
    "vector": np.ones(21),
    "grad_output": np.ones((6, 1)),
    "weights": [np.ones((3, 4)), np.ones(4), np.ones((4, 1)), np.ones(1)],
    "index": 0,
    "grid": {"learning_rate": [0.1, 0.2]},
    "model": compiled(3, (4, "tanh"), 1),
    "config": {"class_name": "nonsense"},
    "loc": X,
    "action": X,
    "actions": [0, 1, 2, 0, 1, 2],
    "policy": dc.distributions.Categorical(logits=X),
    "rewards": np.ones(6),
    "terminated": np.zeros(6, bool),
    "old_log_prob": -np.ones(6),
    "advantages": np.ones(6),
    "q_values": X,
    "next_q": X,
    "next_value": np.ones(6),
    "log_prob": -np.ones(6),
    "temperature": 0.1,
    "log_temperature": 0.1,
    "outputs": np.ones((6, 4)),
}


def parameters(call: Any) -> list[inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p for p in inspect.signature(call).parameters.values() if p.kind in kinds]


def usual(call: Any) -> dict[str, Any]:
    """Arguments that the call takes."""
    given = {p.name: USUAL[p.name] for p in parameters(call) if p.name in USUAL and (
        p.default is p.empty or p.name in ("y", "index")
    )}  # fmt: skip
    if "verbose" in inspect.signature(call).parameters:
        given["verbose"] = 0
    return given


def public() -> Iterator[tuple[str, Any]]:
    for module in MODULES:
        package = getattr(dc, module)
        for name in getattr(package, "__all__", vars(package)):
            thing = getattr(package, name)
            home = str(getattr(thing, "__module__", ""))
            own = home.startswith(
                (f"densecore.{module}", "densecore.models", "densecore._base.reg")
            )
            if name.startswith("_") or not own or not callable(thing):
                continue
            if f"{module}.{name}" in NOT_TRIED or "Registry" in f"{name}{type(thing).__name__}":
                continue
            yield f"{module}.{name}", thing
    for name in ("Sequential", "Ensemble", "sweep", "cross_validate"):
        yield name, getattr(dc, name)


def bound(method: str, make: Callable[[], Any]) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        return getattr(make(), method)(**arguments)

    call.__signature__ = inspect.signature(getattr(make(), method))  # type: ignore[attr-defined]
    return call


def methods(make: Callable[[], Any], left_out: str) -> Iterator[tuple[str, Any]]:
    made = make()
    for name in dir(type(made)):
        if name.startswith("_") or name in left_out.split() or not callable(getattr(made, name)):
            continue
        yield f"{type(made).__name__}.{name}", bound(name, make)


def model() -> dc.Sequential:
    made = compiled(3, (4, "tanh"), 1, metrics=["mae"])
    made.input_derivatives(X, X)
    made.forward(X)
    return made


def sampled() -> dc.distributions.TanhNormal:
    made = dc.distributions.TanhNormal(X, log_scale=X)
    made.sample(seed=1)
    return made


CALLS = dict(public())
CALLS |= dict(methods(model, "add pop export to_keras to_torch compile"))
CALLS |= dict(methods(lambda: dc.Ensemble(model(), 2), "compile"))
CALLS |= dict(methods(sampled, ""))
CALLS |= dict(methods(lambda: dc.distributions.Categorical(logits=X), ""))


CLEAR = ("found", "known:", "missing")


def complaints(name: str, call: Any, argument: str, given: dict[str, Any]) -> Iterator[str]:
    """Everything that is wrong with how a call refuses strange values of an argument."""
    for what, value in STRANGE.items():
        label = f"{name}({argument}={what})"
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                call(**{**given, argument: value})
        except (ValueError, TypeError) as error:
            text = str(error)
            if not any(word in text for word in CLEAR):
                yield f"{label}: {type(error).__name__}: {text[:100]}"
        except (OSError, IndexError):  # a path that is not there, a member that is not there
            pass
        except Exception as error:
            yield f"{label}: {type(error).__name__}: {str(error)[:100]}"


# A few errors are another program's: an own function's, or that of a file that is there.
ALLOWED = ("has no len()", "invalid literal for int()", "iteration over a 0-d array",
           "object arrays are not supported", "found a call outside of fit")  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_strange_arguments_are_refused_clearly(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call = CALLS[name]
    given = usual(call)
    if "filepath" in inspect.signature(call).parameters:
        given["filepath"] = str(tmp_path / "file")
    wrong = [
        text
        for p in parameters(call)
        for text in complaints(name, call, p.name, given)
        if not any(allowed in text for allowed in ALLOWED)
    ]
    assert not wrong, "\n".join(wrong)


WITHOUT_EFFECT = ("verbose", "workers", "max_queue_size")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_text_and_switches_are_no_numbers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the default is a number, neither '3' nor True nor b'1' is one."""
    monkeypatch.chdir(tmp_path)
    call, taken = CALLS[name], []
    for p in parameters(call):
        if type(p.default) not in (int, float) or p.name in WITHOUT_EFFECT:
            continue
        for value in (
            "3",
            b"1",
            *([] if p.default in (0, 1) and type(p.default) is int else [True]),
        ):
            with contextlib.suppress(ValueError, TypeError, RuntimeError, OSError):
                call(**{**usual(call), p.name: value})
                taken.append(f"{name}({p.name}={value!r})")
    assert not taken, "\n".join(taken)


@pytest.mark.slow
def test_the_signatures_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(CALLS) > 250
    paths = {"filepath", "path", "filename", "backup_dir"}
    without = [call for call in CALLS.values() if not paths & {p.name for p in parameters(call)}]
    working = 0
    for call in without:
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            call(**usual(call))
            working += 1
    assert working > 0.7 * len(without), f"{working} of {len(without)} calls work at all"


@pytest.mark.filterwarnings("ignore")
def test_parameters_of_tables_estimators() -> None:
    pytest.importorskip("sklearn")
    from densecore.tabular import TabularClassifier

    wrong = []
    for argument in (
        "hidden", "epochs", "batch_size", "learning_rate", "folds", "time_limit", "categorical",
        "ignore", "recipe",
    ):  # fmt: skip
        for what, value in STRANGE.items():
            if argument == "learning_rate" and what in ("2^63", "uint64", "array"):
                continue  # rates, with which a training diverges
            estimator = TabularClassifier(**{"recipe": "quick", "epochs": 1, argument: value})
            try:
                estimator._recipe()
                estimator._names("categorical")
                estimator._names("ignore")
                estimator._time_limit()
            except (ValueError, TypeError) as error:
                if not any(word in str(error) for word in CLEAR):
                    wrong.append(f"{argument}={what}: {error}")
    assert not wrong, "\n".join(wrong)
    for argument, value in (
        ("epochs", "3"),
        ("folds", True),
        ("time_limit", b"1"),
        ("ignore", "a"),
    ):
        with pytest.raises(TypeError, match=f"{argument}: found"):
            TabularClassifier(**{argument: value}).fit([[1.0], [2.0]], [0, 1])

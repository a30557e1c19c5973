"""What the NumPy reference refuses, and how it says so."""

import math
from typing import Any

import numpy as np
import pytest

from densecore import reference as ref

F32, F64 = np.zeros(2, np.float32), np.zeros(2)
W23, X3 = np.zeros((2, 3)), np.zeros(3)
untyped: Any = ref  # for calls that a type checker would refuse
ACTIVATION_NAMES = ", ".join([*ref.ACTIVATIONS, *("identity", "swish", "hard_swish")])
LOSS_NAMES = ", ".join([*ref.LOSSES, "mse", "mae"])
CE = "categorical_crossentropy"


def net21() -> ref.Network:
    return ref.Network([(np.ones((2, 1)), np.zeros(2), "linear")])


X1, Y2 = np.ones((3, 1)), np.zeros((3, 2))
ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: ref.activation("swoosh", F64),
        ValueError,
        f"activation: found 'swoosh', wanted one of {ACTIVATION_NAMES}",
    ),
    (lambda: ref.activation("mse", F64), ValueError, "activation: found 'mse', wanted one of lin"),
    (lambda: untyped.activation(None, F64), TypeError, "activation: found None, wanted a name"),
    (
        lambda: untyped.activation("relu", [1, 2]),
        TypeError,
        "z: found dtype int64, wanted float32 or",
    ),
    (
        lambda: ref.activation("relu", F64, out=F32),
        TypeError,
        "out: found dtype float32, wanted float64",
    ),
    (
        lambda: ref.activation("relu", F64, out=X3),
        ValueError,
        "out: found shape (3,), wanted (2,)",
    ),
    (
        lambda: untyped.activation("relu", F64, out=[0.0, 0.0]),
        TypeError,
        "out: found list, wanted a NumPy array",
    ),
    (
        lambda: ref.activation_gradient("relu", F64, F64, X3),
        ValueError,
        "grad: found shape (3,), wanted (2,)",
    ),
    (lambda: ref.matvec(W23, F64), ValueError, "x: found shape (2,), wanted (3,)"),
    (lambda: ref.matvec(X3, X3), ValueError, "W: found shape (3,), wanted (n, m)"),
    (
        lambda: ref.matvec(W23, X3.astype(np.float32)),
        TypeError,
        "x: found dtype float32, wanted float64",
    ),
    (lambda: ref.dense(X3, W23, None), ValueError, "x: found shape (3,), wanted (batch, m)"),
    (
        lambda: ref.dense(np.zeros((4, 2)), W23, None),
        ValueError,
        "W: found shape (2, 3), wanted (n, 2)",
    ),
    (lambda: ref.dense(W23, W23, X3), ValueError, "b: found shape (3,), wanted (2,)"),
    (lambda: ref.mse(F64, X3), ValueError, "y: found shape (3,), wanted (2,)"),
    (lambda: ref.mse(F64, F32), TypeError, "y: found dtype float32, wanted float64"),
    (
        lambda: ref.mse(np.zeros((0, 2)), np.zeros((0, 2))),
        ValueError,
        "a: found shape (0, 2), wanted at least one element",
    ),
    (
        lambda: ref.mse(F64, F64, "max"),
        ValueError,
        "reduction: found 'max', wanted one of mean, sum",
    ),
    *(
        (
            lambda rate=rate: ref.sgd_update(F64, F64, rate),
            ValueError,
            f"learning_rate: found {rate}, wanted a finite number > 0",
        )
        for rate in (0.0, -0.1, math.inf, math.nan)
    ),
    (
        lambda: ref.adam_update(F64, F64, F64, F64, 1, -0.1),
        ValueError,
        "learning_rate: found -0.1, wanted a finite number > 0",
    ),
    (lambda: untyped.sgd_update(F64, F64, "fast"), TypeError, "learning_rate: found str, wanted a"),
    (
        lambda: untyped.sgd_update([1.0], F64, 0.1),
        TypeError,
        "parameter: found list, wanted a NumPy",
    ),
    (lambda: ref.sgd_update(F64, X3, 0.1), ValueError, "gradient: found shape (3,), wanted (2,)"),
    (lambda: ref.sgd_update(F64, F32, 0.1), TypeError, "gradient: found dtype float32, wanted"),
    (
        lambda: ref.sgd_update(np.broadcast_to(F64, (3, 2)), np.zeros((3, 2)), 0.1),
        ValueError,
        "parameter: found a read-only array, wanted a writeable one",
    ),
    (
        lambda: ref.adam_update(F64, F64, F64, X3, 1),
        ValueError,
        "v: found shape (3,), wanted (2,)",
    ),
    (
        lambda: ref.adam_update(F64, F64, F64, F64, 0),
        ValueError,
        "step: found 0, wanted a step number >= 1",
    ),
    (
        lambda: ref.adam_update(F64, F64, F64, F64, 1, beta_1=1.0),
        ValueError,
        "beta_1: found 1.0, wanted a number in [0, 1)",
    ),
    (
        lambda: ref.adam_update(F64, F64, F64, F64, 1, beta_2=-0.5),
        ValueError,
        "beta_2: found -0.5, wanted a number in [0, 1)",
    ),
    (
        lambda: ref.adam_update(F64, F64, F64, F64, 1, epsilon=0.0),
        ValueError,
        "epsilon: found 0.0, wanted a finite number > 0",
    ),
    (lambda: ref.Network([]), ValueError, "layers: found none, wanted at least one"),
    (
        lambda: ref.Network([(W23, None, "relu"), (W23, None, "relu")]),
        ValueError,
        "W of layer 2: found shape (2, 3), wanted (n, 2)",
    ),
    (
        lambda: ref.Network([(W23, F32, "relu")]),
        TypeError,
        "b of layer 1: found dtype float32, wanted float64",
    ),
    (
        lambda: ref.Network([(W23, None, "rleu")]),
        ValueError,
        f"activation of layer 1: found 'rleu', wanted one of {ACTIVATION_NAMES}",
    ),
    (lambda: net21().forward(W23), ValueError, "x: found shape (2, 3), wanted (batch, 1)"),
    (lambda: net21().backward(Y2), RuntimeError, "backward: found no forward pass, wanted"),
    (lambda: net21().backward_from(Y2), RuntimeError, "backward: found no forward pass, wanted"),
    (
        lambda: net21().loss(X1, Y2, "hunge"),
        ValueError,
        f"loss: found 'hunge', wanted one of {LOSS_NAMES}",
    ),
    (lambda: net21().loss(X1, X1), ValueError, "y: found shape (3, 1), wanted (3, 2)"),
    (
        lambda: net21().loss(X1, Y2, CE, "sum_over_outputs"),
        ValueError,
        f"reduction: found 'sum_over_outputs' with '{CE}', which is for mean_squared_error only",
    ),
    (
        lambda: net21().loss(X1, Y2, sample_weight=[1, 2]),
        ValueError,
        "sample_weight: found shape (2,), wanted (3,)",
    ),
    (
        lambda: net21().loss(X1, Y2, sample_weight=[1, -2, 3]),
        ValueError,
        "sample_weight: found a negative or non-finite one",
    ),
    (
        lambda: net21().loss(X1, [0, 1, 2], f"sparse_{CE}"),
        ValueError,
        "y: found class 2, wanted classes 0 to 1",
    ),
    (
        lambda: net21().loss(X1, [0, -1, 1], f"sparse_{CE}"),
        ValueError,
        "y: found class -1, wanted classes 0 to 1",
    ),
    (
        lambda: net21().loss(X1, [0.0, 1.0, 1.0], f"sparse_{CE}"),
        TypeError,
        "y: found dtype float64, wanted integer class indices",
    ),
    (lambda: net21().loss(X1, [0], f"sparse_{CE}"), ValueError, "y: found shape (1,), wanted (3,)"),
    (
        lambda: net21().train_on_batch(X1, Y2, "tiger"),
        ValueError,
        "optimizer: found 'tiger', wanted one of sgd, ",
    ),
    (
        lambda: ref.numerical_gradient(lambda p: 0.0, F64, 0.0),
        ValueError,
        "step: found 0.0, wanted a finite number > 0",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS, ids=[text for _, _, text in ERRORS])
def test_errors_say_what_was_found_and_what_is_wanted(
    call: Any, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).startswith(text)
